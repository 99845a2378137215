-- grain: one row per golden company; values of the surviving record
-- removed companies stay, flagged: old deals keep their company
with members as (
    select company_key, {{ ordered_list("source || ':' || company_id", 'source, company_id') }} as source_ids
    from {{ ref('company_identities') }} group by company_key
),

survivors as (
    select
        'hubspot:company:' || company_id as company_key, name, domain, industry, employees, revenue, {{ portal_currency() }} as currency, country, owner_id,
        deletion is not null as is_removed, created_at, known_from
    from {{ ref('stg_hubspot__companies') }}
    union all
    select
        'spreadsheets:company:' || company_id, name, domain, industry, employees, revenue, '{{ var("company_currency") }}', country, cast(null as string),
        is_deleted, cast(null as {{ instant_type() }}), known_from
    from {{ ref('stg_spreadsheets__companies') }}
    union all
    select
        company_key, company_id, cast(null as string), cast(null as string), cast(null as bigint), cast(null as decimal(18, 2)), cast(null as string),
        cast(null as string), cast(null as string), false, cast(null as {{ instant_type() }}), valid_from
    from {{ ref('company_identities') }} where reason like 'named by deals%'
),

banded as (
    select *, {{ employees_band('employees') }} as employees_band
    from survivors
)

select
    cast(banded.company_key as string) as company_key,
    cast(banded.name as string) as name,
    cast(banded.domain as string) as domain,
    cast(banded.industry as string) as industry,
    cast({{ segment_of('banded.employees_band', 'banded.industry') }} as string) as segment,
    cast(banded.employees as bigint) as employees,
    cast(banded.employees_band as string) as employees_band,
    cast(banded.country as string) as country,
    cast({{ in_base('banded.revenue', 'banded.currency', 'rates.rate_to_base') }} as decimal(18, 2)) as revenue_base,
    cast('hubspot:owner:' || banded.owner_id as string) as owner_key,
    cast(members.source_ids as string) as source_ids,
    cast(banded.is_removed as boolean) as is_removed,
    banded.created_at,
    banded.known_from
from banded
inner join members on banded.company_key = members.company_key
left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'banded.currency', as_of_date()) }}
