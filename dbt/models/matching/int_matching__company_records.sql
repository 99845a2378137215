-- grain: one row per company record of every source, and per company name that only deals or activities of a sheet know
-- root_key: its survivor over any number of merges in the CRM. Only what is alive is matched; the rest keeps its key and lends it to nobody.
with recursive crm as (
    select *, source || ':company:' || company_id as record_key, source || ':company:' || merged_into as merged_into_key from {{ ref('int_crm__companies') }}
),

{{ merge_roots('crm', 'record_key', 'merged_into_key') }},

spelt as (
    select lower(company) as name, min(known_from) as known_from
    from (
        select company, known_from from {{ ref('stg_spreadsheets__deals') }} where company is not null
        union all
        select company, known_from from {{ ref('stg_spreadsheets__activities') }} where company is not null
    ) as mentioned
    group by lower(company)
),

listed as (
    select company_id, lower(name) as name from {{ ref('stg_spreadsheets__companies') }}
)

select
    crm.record_key, roots.root_id as root_key, crm.source, crm.company_id,
    coalesce(crm.deletion, 'alive') as record_state, crm.name, crm.domain, crm.industry, crm.employees, crm.revenue, crm.currency, crm.country,
    crm.city, crm.phone, crm.owner_id, crm.created_at, crm.version_at as updated_at, crm.known_from
from crm
inner join roots on crm.record_key = roots.record_key
union all
select
    'spreadsheets:company:' || company_id, 'spreadsheets:company:' || company_id, 'spreadsheets', company_id,
    case when is_deleted then 'removed' else 'alive' end, name, domain, industry, employees, revenue, '{{ var("company_currency") }}', country,
    cast(null as string), cast(null as string), cast(null as string), cast(null as {{ instant_type() }}), version_at, known_from
from {{ ref('stg_spreadsheets__companies') }}
union all
select
    'spreadsheets:company:' || spelt.name, 'spreadsheets:company:' || spelt.name, 'spreadsheets', spelt.name,
    'named only', cast(spelt.name as string), cast(null as string), cast(null as string), cast(null as bigint), cast(null as decimal(18, 2)), cast(null as string),
    cast(null as string), cast(null as string), cast(null as string), cast(null as string), cast(null as {{ instant_type() }}),
    cast(null as {{ instant_type() }}), spelt.known_from
from spelt
left join listed as by_name on spelt.name = by_name.name
left join listed as by_id on spelt.name = lower(by_id.company_id)
where by_name.name is null and by_id.company_id is null
