-- grain: one row per owner or team, month and version of the target, newest version as of (E, K); rows gone from a corrected file are kept, with is_deleted
-- `month` is its first day
{%- set fields = [
    'owner', 'team', 'month', 'target', 'currency', 'valid_from'
] %}

with versions as (
    {{ newest_sheet_rows(source('spreadsheets', 'targets'), fields, begins=['valid_from', 'month']) }}
)

select
    record_id,
    {{ filled('p.fields.owner') }} as owner,
    {{ filled('p.fields.team') }} as team,
    cast(date_trunc('month', try_cast(p.fields.month as date)) as date) as month,
    {{ money('p.fields.target') }} as target,
    upper({{ filled('p.fields.currency') }}) as currency,
    try_cast(p.fields.valid_from as date) as valid_from,
    p.corrected as corrected_text, p.file as file_name, p.sheet as sheet_name, try_cast(p.row as bigint) as row_number,
    is_deleted, is_reconstructed, version_at, landed_at, known_from
from versions
