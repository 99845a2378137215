{{ config(materialized=intermediate()) }}
-- grain: one row per spelling (e-mail or name, lower case) of a seller in a sheet or an owner list -> owner_key
-- a sheet's seller with the e-mail of a CRM owner, else with a full name that only one CRM owner bears, is that owner
with crm as (
    select {{ seller_key('owners.source', 'owners.owner_id', 'same') }} as owner_key, lower(owners.name) as name, owners.email, owners.known_from
    from {{ ref('int_crm__owners') }} as owners
    left join {{ ref('int_pipeline__same_owners') }} as same on {{ same_seller('owners.source', 'owners.owner_id', 'same') }}
),

crm_emails as (
    select email as spelling, min(owner_key) as owner_key from crm where email is not null group by email
),

crm_names as (
    select name as spelling, min(owner_key) as owner_key from crm where name is not null group by name having count(distinct owner_key) = 1
),

listed as (
    select
        coalesce(crm_emails.owner_key, crm_names.owner_key, 'spreadsheets:owner:' || owners.owner_id) as owner_key,
        lower(owners.name) as name, owners.email, owners.known_from
    from {{ ref('stg_spreadsheets__owners') }} as owners
    left join crm_emails on owners.email = crm_emails.spelling
    left join crm_names on lower(owners.name) = crm_names.spelling
),

known_spellings as (
    select spelling, min_by(owner_key, precedence) filter (where owner_key is not null) as owner_key
    from (
        select spelling, owner_key, 1 as precedence from crm_emails
        union all
        select spelling, owner_key, 2 from crm_names
        union all
        select email, min(owner_key), 3 from listed group by email
        union all
        select name, min(owner_key), 4 from listed group by name
    ) as spellings
    where spelling is not null
    group by spelling
),

mentioned as (
    select lower(owner) as name, owner_email as email, owner as label, known_from from {{ ref('stg_spreadsheets__deals') }}
    union all
    select lower(owner), cast(null as string), owner, known_from from {{ ref('stg_spreadsheets__activities') }}
    union all
    select lower(owner), cast(null as string), owner, known_from from {{ ref('stg_spreadsheets__targets') }}
),

-- a name that stands beside one e-mail only is that person on the lines without an e-mail too
name_emails as (
    select name, min(email) as email from mentioned where name is not null and email is not null group by name having count(distinct email) = 1
),

unlisted as (
    select
        'spreadsheets:owner:' || coalesce(mentioned.email, name_emails.email, mentioned.name) as owner_key, coalesce(mentioned.email, mentioned.name) as spelling,
        mentioned.label, mentioned.known_from
    from mentioned
    left join name_emails on mentioned.name = name_emails.name
    left join known_spellings as by_email on mentioned.email = by_email.spelling
    left join known_spellings as by_name on mentioned.name = by_name.spelling
    where coalesce(mentioned.email, mentioned.name) is not null and by_email.owner_key is null and by_name.owner_key is null
)

select spelling, owner_key, cast(null as string) as label, cast(null as {{ instant_type() }}) as known_from, true as is_listed from known_spellings
union all
select
    spelling, min(owner_key), min(label), min(known_from), false
from unlisted
group by spelling
