-- grain: one row per contract, newest version as of (E, K); rows gone from a corrected file are kept, with is_deleted
{%- set fields = [
    'contract_id', 'company', 'deal_id', 'start_date', 'end_date', 'arr', 'currency'
] %}

with versions as (
    {{ newest_sheet_rows(source('spreadsheets', 'contracts'), fields, begins=['start_date']) }}
)

select
    record_id,
    coalesce({{ filled('p.fields.contract_id') }}, record_id) as contract_id,
    {{ filled('p.fields.company') }} as company,
    {{ filled('p.fields.deal_id') }} as deal_id,
    try_cast(p.fields.start_date as date) as start_date,
    try_cast(p.fields.end_date as date) as end_date,
    {{ money('p.fields.arr') }} as arr,
    upper({{ filled('p.fields.currency') }}) as currency,
    p.corrected as corrected_text, p.file as file_name, p.sheet as sheet_name, try_cast(p.row as bigint) as row_number,
    is_deleted, is_reconstructed, version_at, landed_at, known_from
from versions
