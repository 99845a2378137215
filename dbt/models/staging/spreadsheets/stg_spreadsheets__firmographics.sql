-- grain: one row per line about a company and version as of (E, K); the newest of each is_newest. Rows gone from a corrected file are kept, with is_deleted.
{%- set fields = [
    'legal_name', 'industry_code', 'industry', 'employees', 'revenue', 'currency', 'status', 'parent', 'founded_date'
] %}

with lines as (
    {{ enrichment_lines(source('spreadsheets', 'firmographics'), fields) }}
)

select
    {{ filled('p.fields.legal_name') }} as legal_name,
    {{ filled('p.fields.industry_code') }} as industry_code,
    {{ filled('p.fields.industry') }} as industry,
    case when try_cast(p.fields.employees as bigint) >= 0 then try_cast(p.fields.employees as bigint) end as employees,
    {{ money('p.fields.revenue') }} as revenue,
    upper({{ filled('p.fields.currency') }}) as currency,
    {{ filled('p.fields.status') }} as status,
    {{ filled('p.fields.parent') }} as parent,
    try_cast(p.fields.founded_date as date) as founded_date,
    {{ enrichment_columns() }}
from lines
