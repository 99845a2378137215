-- grain of match_company: one row per company record, numbered by age and content, so that neither order nor key decides anything
create or replace temp table match_company as
with cut as (
    select
        record_key,
        created_at,
        match_fold(name) as folded,
        coalesce(match_idn.domain, match_domain(told.domain)) as domain,
        nullif(regexp_replace(lower(match_cut(legal_id)), '[^0-9a-z]', '', 'g'), '') as legal_id,
        match_phone(phone) as phone,
        match_fold(city) as city_text,
        match_fold(country) as country_text,
        hash(folded, told.domain, legal_id, phone, city_text, country_text) as content
    from (
        select * from (
            select
                record_key, created_at, match_cut(name) as name, match_cut(domain) as domain, match_cut(legal_id) as legal_id,
                match_cut(country) as country, match_cut(city) as city, match_cut(phone) as phone
            from $companies
        )
        qualify row_number() over (partition by record_key order by hash(created_at, name, domain, legal_id, country, city, phone)) = 1
    ) as told
    left join match_idn on match_domain(told.domain) = match_idn.code
),

words as (
    select
        cut.*,
        list_filter(string_split(folded, ' '), lambda w: not list_contains($legal_forms, w) and w <> 'i') as name_words
    from cut
),

named as (
    select
        words.*,
        -- "Alfa Sverige AB" is Alfa's; "Sverige AB" is nobody's short name
        case when length(list_filter(name_words, lambda w: not list_contains($country_words, w))) > 0
            then list_filter(name_words, lambda w: not list_contains($country_words, w))
            when length(name_words) > 0 then name_words
            else string_split(folded, ' ') end as core_words,
        list_filter(name_words, lambda w: list_contains($country_words, w)) as land_words
    from words
)

select
    row_number() over (order by created_at nulls last, content, record_key)::integer as id,
    named.record_key,
    named.content,
    named.created_at,
    array_to_string(core_words, '') as name,
    array_to_string(list_sort(core_words), ' ') as sorted_name,
    core_words[1] as word,
    array_to_string(land_words, ' ') as land,
    match_sound(array_to_string(core_words, '')) as sound,
    case when not list_contains($free_mail, domain) then domain end as domain,
    match_domain_name(domain) as domain_name,
    legal_id,
    phone,
    coalesce(city_names.city, city_text) as city,
    coalesce(match_country_word.code, country_text) as country,
    count(*) over (partition by array_to_string(core_words, '')) as name_records,
    count(*) over (partition by core_words[1]) as word_records
from named
left join match_city_name as city_names on named.city_text = city_names.name
left join match_country_word on named.country_text = match_country_word.word;
