{{ config(materialized=intermediate()) }}
-- grain: one row per company of a register or an enrichment sheet, version of its entry or line, and attribute: its value from then on (NULL = none any more)
{%- set of_registers = {
    'legal_id': "country_code || ' ' || legal_id", 'legal_name': 'name', 'domain': 'domain', 'country': 'country_code', 'city': 'city',
    'industry_code': 'industry_code', 'industry': 'industry', 'employees': 'cast(employees as string)',
    'employees_band': 'coalesce(' ~ employees_band('employees') ~ ", case when has_employees then '1-9' end)", 'status': 'status',
    'founded_date': 'cast(founded_date as string)'
} %}
{%- set of_sheets = {
    'legal_id': "country_code || ' ' || legal_id", 'legal_name': 'legal_name', 'industry_code': 'industry_code', 'industry': 'industry',
    'employees': 'cast(employees as string)', 'employees_band': employees_band('employees'), 'revenue': 'cast(revenue as string)', 'status': 'status', 'parent': 'parent',
    'founded_date': 'cast(founded_date as string)'
} %}
with entries as (
    select 'registries:company:' || country_code || legal_id as record_key, entries.* from {{ ref('stg_registries__entries') }} as entries
),

lines as (
    select {{ sheet_company_key() }} as record_key, lines.* from {{ ref('stg_spreadsheets__firmographics') }} as lines
)

{%- for attribute, value in of_registers.items() %}
select
    record_key, '{{ attribute }}' as attribute, {{ value }} as value, {{ "'people'" if attribute == 'employees' else 'cast(null as string)' }} as unit,
    case country_code when 'NO' then 'register of Norway' else 'register of Finland' end as supplier, cast(1 as double) as confidence,
    version_at as observed_at, version_at as valid_from, version_at, landed_at, known_from
from entries
union all
{%- endfor %}
{%- for attribute, value in of_sheets.items() %}
select
    record_key, '{{ attribute }}', case when not is_deleted then {{ value }} end,
    {{ "'people'" if attribute == 'employees' else "coalesce(currency, '" ~ var('company_currency') ~ "')" if attribute == 'revenue' else 'cast(null as string)' }},
    supplier, confidence, case when is_deleted then version_at else observed_at end, case when is_deleted then version_at else valid_from end,
    version_at, landed_at, known_from
from lines
{{ 'union all' if not loop.last }}
{%- endfor %}
