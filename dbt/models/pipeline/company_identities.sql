-- grain: one row per source company (and per company name that only deals know): the golden company that it is
-- a company that was merged away in the CRM is its survivor, over any number of merges
with recursive crm as (
    select company_id, merged_into, deletion, created_at, known_from from {{ ref('stg_hubspot__companies') }}
),

{{ merge_roots('crm', 'company_id') }},

listed as (
    select company_id, lower(name) as name, known_from from {{ ref('stg_spreadsheets__companies') }}
),

spelt as (
    select lower(company) as name, min(known_from) as known_from
    from (
        select company, known_from from {{ ref('stg_spreadsheets__deals') }} where company is not null
        union all
        select company, known_from from {{ ref('stg_spreadsheets__activities') }} where company is not null
    ) as mentioned
    group by lower(company)
)

select
    cast('hubspot' as string) as source,
    cast(crm.company_id as string) as company_id,
    cast('hubspot:company:' || roots.root_id as string) as company_key,
    coalesce(crm.created_at, crm.known_from) as valid_from,
    cast(null as {{ instant_type() }}) as valid_to,
    cast(case when roots.root_id = crm.company_id then 'own record' else 'merged in HubSpot' end as string) as reason
from crm
inner join roots on crm.company_id = roots.company_id
union all
select 'spreadsheets', company_id, 'spreadsheets:company:' || company_id, known_from, cast(null as {{ instant_type() }}), 'own record' from listed
union all
select
    'spreadsheets', spelt.name, 'spreadsheets:company:' || spelt.name, spelt.known_from, cast(null as {{ instant_type() }}),
    'named by deals or activities, in no company list'
from spelt
left join listed as by_name on spelt.name = by_name.name
left join listed as by_id on spelt.name = lower(by_id.company_id)
where by_name.name is null and by_id.company_id is null
