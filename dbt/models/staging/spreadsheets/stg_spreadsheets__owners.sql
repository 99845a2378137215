-- grain: one row per seller, newest version as of (E, K); rows gone from a corrected file are kept, with is_deleted
{%- set fields = [
    'owner_id', 'name', 'email', 'team', 'manager', 'country', 'start_date', 'end_date'
] %}

with versions as (
    {{ newest_sheet_rows(source('spreadsheets', 'owners'), fields) }}
)

select
    record_id,
    coalesce({{ filled('p.fields.owner_id') }}, record_id) as owner_id,
    {{ filled('p.fields.name') }} as name,
    lower({{ filled('p.fields.email') }}) as email,
    {{ filled('p.fields.team') }} as team,
    {{ filled('p.fields.manager') }} as manager,
    {{ filled('p.fields.country') }} as country,
    try_cast(p.fields.start_date as date) as start_date,
    try_cast(p.fields.end_date as date) as end_date,
    p.corrected as corrected_text, p.file as file_name, p.sheet as sheet_name, try_cast(p.row as bigint) as row_number,
    is_deleted, is_reconstructed, version_at, landed_at, known_from
from versions
