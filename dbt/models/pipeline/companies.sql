-- grain: one row per golden company; each value from the record that names it, gaps from its others, the one changed last first
-- History is kept per record (company_versions), so that today's value and those at their own dates are of the same record.
-- removed companies stay, flagged: old deals keep their company
{%- set fields = company_survivors() %}
with members as (
    select company_key, {{ ordered_list("source || ':' || company_id", 'source, company_id') }} as source_ids
    from {{ ref('company_identities') }} group by company_key
),

golden as (
    select
        company_key,
        {%- for field in fields %}
        {{ survivor(field, fields) }} as {{ field }},
        {%- endfor %}
        {{ survivor('revenue', fields, 'currency') }} as currency,
        count(*) filter (where record_state in ('alive', 'named only')) = 0 as is_removed, count(*) filter (where record_state = 'alive') as record_count,
        min(created_at) as created_at, min(known_from) as known_from
    from {{ ref('int_pipeline__company_records') }}
    group by company_key
),

banded as (
    select *, {{ employees_band('employees') }} as employees_band
    from golden
)

select
    cast(banded.company_key as string) as company_key,
    cast(banded.name as string) as name,
    cast(banded.domain as string) as domain,
    cast(enrichment.legal_id as string) as legal_id,
    cast(banded.industry as string) as industry,
    cast({{ segment_of('banded.employees_band', 'banded.industry') }} as string) as segment,
    cast(banded.employees as bigint) as employees,
    cast(banded.employees_band as string) as employees_band,
    cast(banded.country as string) as country,
    cast({{ in_base('banded.revenue', 'banded.currency', 'rates.rate_to_base') }} as decimal(18, 2)) as revenue_base,
    cast(enrichment.technologies as string) as technologies,
    enrichment.enriched_at,
    cast(banded.owner_key as string) as owner_key,
    cast(members.source_ids as string) as source_ids,
    cast(banded.record_count as bigint) as record_count,
    cast(banded.is_removed as boolean) as is_removed,
    banded.created_at,
    banded.known_from
from banded
inner join members on banded.company_key = members.company_key
left join {{ ref('int_pipeline__company_enrichment') }} as enrichment on banded.company_key = enrichment.company_key
left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'banded.currency', as_of_date()) }}
