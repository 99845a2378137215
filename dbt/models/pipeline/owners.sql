-- grain: one row per seller; the same person in two CRMs, or in a CRM and in a sheet, is one row, under the first CRM's key
-- an owner that records name and no list explains has a row too: sums by owner must not lose a deal
with records as (
    select
        {{ seller_key('crm.source', 'crm.owner_id', 'same') }} as owner_key, crm.source, crm.owner_id, crm.name, crm.email, crm.team,
        cast(null as string) as country, crm.user_id, crm.is_active, {{ local_date('crm.created_at') }} as started_date, {{ local_date('crm.left_at') }} as left_date,
        crm.known_from, 1 as listed, lpad(cast({{ crm_place('crm.source') }} as string), 2, '0') || crm.owner_id as precedence
    from {{ ref('int_crm__owners') }} as crm
    left join {{ ref('int_pipeline__same_owners') }} as same on {{ same_seller('crm.source', 'crm.owner_id', 'same') }}
    union all
    select
        source || ':owner:' || owner_id, source, owner_id, 'unknown owner ' || owner_id, cast(null as string), cast(null as string),
        cast(null as string), cast(null as string), cast(null as boolean), cast(null as date), cast(null as date), known_from, 0, '94'
    from {{ ref('int_pipeline__unknown_owners') }}
    union all
    select
        coalesce(by_email.owner_key, by_name.owner_key), 'spreadsheets', owners.owner_id, owners.name, owners.email, owners.team, owners.country,
        cast(null as string), not owners.is_deleted and (owners.end_date is null or owners.end_date > {{ as_of_date() }}), owners.start_date,
        case when owners.end_date <= {{ as_of_date() }} then owners.end_date end, owners.known_from, 1, '92'
    from {{ ref('stg_spreadsheets__owners') }} as owners
    left join {{ ref('int_pipeline__sheet_owners') }} as by_email on owners.email = by_email.spelling
    left join {{ ref('int_pipeline__sheet_owners') }} as by_name on lower(owners.name) = by_name.spelling
    union all
    select
        owner_key, 'spreadsheets', spelling, label, case when spelling like '%@%' then spelling end, cast(null as string), cast(null as string),
        cast(null as string), cast(null as boolean), cast(null as date), cast(null as date), known_from, 0, '93'
    from {{ ref('int_pipeline__sheet_owners') }} where not is_listed and owner_key = 'spreadsheets:owner:' || spelling
)

select
    cast(owner_key as string) as owner_key,
    cast(min_by(source, case when source is not null then precedence end) as string) as source,
    cast(min_by(owner_id, case when owner_id is not null then precedence end) as string) as owner_id,
    cast(min_by(name, case when name is not null then precedence end) as string) as name,
    cast(min_by(email, case when email is not null then precedence end) as string) as email,
    cast(min_by(team, case when team is not null then precedence end) as string) as team,
    cast(min_by(country, case when country is not null then precedence end) as string) as country,
    cast(max(user_id) as string) as user_id,
    cast(coalesce(max(case when is_active then 1 else 0 end) = 1, false) as boolean) as is_active,
    cast(min_by(started_date, case when started_date is not null then precedence end) as date) as started_date,
    cast(min_by(left_date, case when left_date is not null then precedence end) as date) as left_date,
    cast(sum(listed) as bigint) as listed_count,
    min(known_from) as known_from
from records
group by owner_key
