-- grain: one row per pair of contact records, each field on its ordinal level
create or replace temp table match_level as
with sides as (
    select
        p.a,
        p.b,
        -- first and last name changed places in one of the two (asked in a case: `and` would work all of it out for every pair)
        case when x.given_sound <> y.given_sound and x.last_sound <> y.last_sound then coalesce(
            match_near(x.given, y.last_name) and match_alike(x.last_name, y.given)
            or match_near(x.last_name, y.given) and match_alike(x.given, y.last_name), false
        ) else false end as is_turned,
        x.first_name as a_first, x.given as a_given, x.given_sound as a_given_sound, x.formal as a_formal,
        x.last_name as a_last, x.last_sound as a_last_sound,
        case when is_turned then y.last_name else y.first_name end as b_first,
        case when is_turned then y.last_name else y.given end as b_given,
        case when is_turned then y.last_sound else y.given_sound end as b_given_sound,
        case when is_turned then y.last_sound else y.formal end as b_formal,
        case when is_turned then y.given else y.last_name end as b_last,
        case when is_turned then y.given_sound else y.last_sound end as b_last_sound
    from match_pair as p
    join match_contact as x on p.a = x.id
    join match_contact as y on p.b = y.id
),

named as (
    select
        s.*,
        case
            when a_given is null or b_given is null then 'missing'
            when a_first = b_first then 'same'
            when a_given = b_given then 'same given name'
            when a_given_sound = b_given_sound then 'sounds the same'
            when a_formal = b_formal or v.name is not null then 'nickname'
            when length(a_given) = 1 or length(b_given) = 1 then
                case when left(a_given, 1) = left(b_given, 1) then 'initial' else 'different' end
            when match_near(a_given, b_given) then 'near'
            when list_has_any(string_split(a_first, ' '), string_split(b_first, ' ')) then 'one given name shared'
            when left(a_given_sound, 1) = left(b_given_sound, 1) then 'different, same initial'
            else 'different' end as first_name,
        case
            when a_last is null or b_last is null then 'missing'
            when a_last = b_last then 'same'
            when a_last_sound = b_last_sound then 'sounds the same'
            when match_near(a_last, b_last) then 'near'
            when contains(a_last || b_last, ' ') and list_has_any(string_split(a_last, ' '), string_split(b_last, ' ')) then 'one part shared'
            else 'different' end as last_name
    from sides as s
    left join match_variant as v on s.a_given = v.name and s.b_given = v.other
)

select
    n.a,
    n.b,
    (case
        when x.mailbox is null or y.mailbox is null then 'missing'
        when x.mailbox = y.mailbox and (x.is_role or x.is_shared) then 'same shared mailbox'
        when x.mailbox = y.mailbox then 'same mailbox'
        when x.domain = y.domain and x.letters = y.letters and x.letters <> '' then 'same but for a number'
        when x.domain = y.domain and length(x.local_part) > 3
            and match_slip(x.local_part, y.local_part) then 'one letter apart'
        when x.local_part = y.local_part and not x.is_role and match_slip(x.domain, y.domain) then 'domain a letter apart'
        when x.letters = y.letters and not x.is_role and length(x.letters) >= $local_part_shortest then 'same before the @'
        when x.domain = y.domain and not x.is_free then 'another mailbox at the company'
        when not x.is_free and not y.is_free then 'another company'
        when x.is_free and y.is_free then 'two private'
        else 'private and company' end)::$email_levels as email,
    (case
        when coalesce(x.phone, x.mobile_phone) is null or coalesce(y.phone, y.mobile_phone) is null then 'missing'
        when x.phone = y.phone and x.is_switchboard then 'same switchboard'
        when x.phone = y.phone and x.phone_people > $switchboard_people then 'same switchboard'
        when x.phone = y.phone and x.phone_people > $own_phone_people then 'same, a few people'
        when x.phone = y.phone or x.mobile_phone = y.mobile_phone or x.phone = y.mobile_phone or x.mobile_phone = y.phone then 'same'
        when length(x.phone) > 6 and match_slip(x.phone, y.phone) then 'one digit apart'
        when x.is_switchboard or y.is_switchboard or x.phone_people > $switchboard_people or y.phone_people > $switchboard_people
            then 'one is a switchboard'
        else 'different' end)::$phone_levels as phone,
    (case
        when x.is_nameless and y.is_nameless then 'neither is a person'
        when x.is_nameless or y.is_nameless then 'one is not a person'
        else n.first_name end)::$first_name_levels as first_name,
    n.last_name::$last_name_levels as last_name,
    (case
        when x.company_id = y.company_id then 'same record'
        when x.company = y.company then 'same name'
        when x.company = y.domain_name or y.company = x.domain_name then 'name is the domain'
        when x.work_domain = y.work_domain then 'same domain'
        when x.company is null and x.company_id is null and x.work_domain is null
            or y.company is null and y.company_id is null and y.work_domain is null then 'missing'
        when length(x.company) > 4 and length(y.company) > 4 and match_slip(x.company, y.company) then 'near'
        when starts_with(x.company, y.company) or starts_with(y.company, x.company) then 'one begins the other'
        when length(y.domain_name) > 3 and starts_with(x.company, y.domain_name)
            or length(x.domain_name) > 3 and starts_with(y.company, x.domain_name) then 'one begins the other'
        when x.company_word = y.company_word then 'same first word'
        else 'different' end)::$company_levels as company,
    (case
        when x.title is null or y.title is null then 'missing'
        when x.title = y.title then 'same'
        else 'different' end)::$title_levels as title,
    (case
        when x.city is null or y.city is null then 'missing'
        when x.city = y.city then 'same'
        else 'different' end)::$city_levels as city,
    (case
        when x.is_nameless or y.is_nameless or n.first_name in ('missing', 'different', 'different, same initial', 'initial')
            or n.last_name in ('missing', 'different') then 'names differ'
        when x.has_firm_namesake and y.has_firm_namesake and x.work_domain = y.work_domain then 'namesake at the company'
        else match_namesakes(
            greatest(x.given_records, y.given_records), greatest(x.family_records, y.family_records), (select count(*) from match_contact))
    end)::$namesakes_levels as namesakes,
    (case
        when coalesce(x.is_role, true) and coalesce(y.is_role, true) then 'no address'
        else match_spelled(greatest(
            match_spells(x.letters, x.is_role, y.given, y.last_name), match_spells(y.letters, y.is_role, x.given, x.last_name)
        )) end)::$cross_levels as cross_evidence
from named as n
join match_contact as x on n.a = x.id
join match_contact as y on n.b = y.id;
