-- grain: one row per product of a price list, newest version as of (E, K); rows gone from a corrected file are kept, with is_deleted
{%- set fields = [
    'product_id', 'name', 'series', 'price'
] %}

with versions as (
    {{ newest_sheet_rows(source('spreadsheets', 'products'), fields) }}
)

select
    record_id,
    coalesce({{ filled('p.fields.product_id') }}, record_id) as product_id,
    {{ filled('p.fields.name') }} as name,
    {{ filled('p.fields.series') }} as series,
    {{ money('p.fields.price') }} as price,
    p.corrected as corrected_text, p.file as file_name, p.sheet as sheet_name, try_cast(p.row as bigint) as row_number,
    is_deleted, is_reconstructed, version_at, landed_at, known_from
from versions
