-- grain: one row per company, newest version as of (E, K); rows gone from a corrected file are kept, with is_deleted
-- the sector and the parent stay as spelt (see stg_spreadsheets__problems)
{%- set fields = [
    'company_id', 'name', 'domain', 'industry', 'employees', 'revenue', 'country', 'parent', 'legal_id'
] %}

with versions as (
    {{ newest_sheet_rows(source('spreadsheets', 'companies'), fields) }}
)

select
    record_id,
    coalesce({{ filled('p.fields.company_id') }}, record_id) as company_id,
    {{ filled('p.fields.name') }} as name,
    lower({{ filled('p.fields.domain') }}) as domain,
    {{ filled('p.fields.industry') }} as industry,
    try_cast(p.fields.employees as bigint) as employees,
    {{ money('p.fields.revenue') }} as revenue,
    {{ filled('p.fields.country') }} as country,
    {{ filled('p.fields.parent') }} as parent,
    {{ filled('p.fields.legal_id') }} as legal_id_text,
    p.corrected as corrected_text, p.file as file_name, p.sheet as sheet_name, try_cast(p.row as bigint) as row_number,
    is_deleted, is_reconstructed, version_at, landed_at, known_from
from versions
