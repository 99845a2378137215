-- grain: one row per pair of records in the order written, newest version as of (E, K); rows gone from a corrected file are kept, with is_deleted
-- left_key and right_key are keys of records whichever way they were written: `hubspot:contact:17` or the record's address in the CRM
{%- set fields = ['left_record', 'right_record', 'ruling', 'ruled_by', 'ruled_at', 'reason'] %}

with versions as (
    {{ newest_sheet_rows(source('spreadsheets', 'rulings'), fields, begins=['ruled_at']) }}
)

select
    record_id,
    {{ record_key_as_written('p.fields.left_record') }} as left_key,
    {{ record_key_as_written('p.fields.right_record') }} as right_key,
    {{ filled('p.fields.ruling') }} as ruling,
    {{ filled('p.fields.ruled_by') }} as ruled_by,
    try_cast(p.fields.ruled_at as date) as ruled_date,
    {{ filled('p.fields.reason') }} as reason,
    p.file as file_name, p.sheet as sheet_name, try_cast(p.row as bigint) as row_number,
    is_deleted, is_reconstructed, version_at, landed_at, known_from
from versions
