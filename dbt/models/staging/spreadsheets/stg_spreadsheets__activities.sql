-- grain: one row per line of an activity tracking sheet, newest version as of (E, K); rows gone from a corrected file are kept, with is_deleted
-- `date` is the day of the activity in the seller's own calendar
{%- set fields = [
    'activity_id', 'date', 'owner', 'company', 'contact', 'activity_type', 'direction', 'outcome',
    'next_step', 'next_step_date'
] %}

with versions as (
    {{ newest_sheet_rows(source('spreadsheets', 'activities'), fields, begins=['date']) }}
)

select
    record_id,
    coalesce({{ filled('p.fields.activity_id') }}, record_id) as activity_id,
    try_cast(p.fields.date as date) as date,
    {{ filled('p.fields.owner') }} as owner,
    {{ filled('p.fields.company') }} as company,
    {{ filled('p.fields.contact') }} as contact,
    {{ filled('p.fields.activity_type') }} as activity_type,
    {{ filled('p.fields.direction') }} as direction,
    {{ filled('p.fields.outcome') }} as outcome,
    {{ filled('p.fields.next_step') }} as next_step,
    try_cast(p.fields.next_step_date as date) as next_step_date,
    p.corrected as corrected_text, p.file as file_name, p.sheet as sheet_name, try_cast(p.row as bigint) as row_number,
    is_deleted, is_reconstructed, version_at, landed_at, known_from
from versions
