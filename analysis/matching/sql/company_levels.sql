-- grain: one row per pair of company records, each field on its ordinal level
create or replace temp table match_level as
select
    p.a,
    p.b,
    (case
        when a.name is null or b.name is null then 'missing'
        when a.name = b.name and a.land <> b.land and a.land <> '' and b.land <> '' then 'same, another country'
        when a.name = b.name and a.land <> b.land then 'same, one names a country'
        when a.name = b.name and a.name = a.word then 'same single word'
        when a.name = b.name then 'same'
        when a.sorted_name = b.sorted_name or a.sound = b.sound then 'same words'
        when starts_with(a.name, b.name) or starts_with(b.name, a.name) then
            case when a.name = a.word or b.name = b.word then 'one is the first word' else 'one begins the other' end
        when length(a.name) > 4 and length(b.name) > 4 and match_slip(a.name, b.name) then 'one letter apart'
        when jaro_winkler_similarity(a.name, b.name) >= $near_companies and a.word <> b.word then 'near'
        when a.word = b.word then 'same first word'
        when jaro_winkler_similarity(a.name, b.name) >= $alike_companies then 'alike'
        else 'different' end)::$name_levels as name,
    (case
        when a.domain is null and b.domain is null then 'missing'
        when a.domain is null or b.domain is null then
            case when a.name = b.domain_name or b.name = a.domain_name then 'name is the domain' else 'one missing' end
        when a.domain = b.domain then 'same'
        when a.domain_name = b.domain_name then 'same but for the ending'
        when match_slip(a.domain, b.domain) then 'one letter apart'
        else 'different' end)::$domain_levels as domain,
    (case
        when a.legal_id is null or b.legal_id is null then 'missing'
        when a.legal_id = b.legal_id then 'same'
        else 'different' end)::$legal_id_levels as legal_id,
    (case
        when a.phone is null or b.phone is null then 'missing'
        when a.phone = b.phone then 'same'
        else 'different' end)::$phone_levels as phone,
    (case
        when a.name = b.name then
            case when a.name_records <= $rare_name then 'a rare name' when a.name_records <= $name_of_several then 'a name of several'
                when a.name_records <= $common_name then 'a common name' else 'a very common name' end
        when a.word <> b.word or a.word is null or b.word is null then 'names differ'
        when a.word_records <= $rare_word then 'a rare word'
        when a.word_records <= $word_of_several then 'a word of several'
        when a.word_records <= $common_word then 'a common word'
        else 'a very common word' end)::$namesakes_levels as namesakes,
    (case
        when a.country <> b.country then 'another country'
        when a.city is null or b.city is null then case when a.country = b.country then 'same country' else 'missing' end
        when a.city = b.city then 'same city'
        else 'another city' end)::$place_levels as place
from match_pair as p
join match_company as a on p.a = a.id
join match_company as b on p.b = b.id;
