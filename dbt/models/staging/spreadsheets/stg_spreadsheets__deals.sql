-- grain: one row per deal, newest version as of (E, K); rows gone from a corrected file are kept, with is_deleted
-- amounts are in the row's own currency; a deal that its sheet dates after E is not there yet
{%- set fields = [
    'deal_id', 'name', 'owner', 'owner_email', 'company', 'contact_email', 'product', 'stage', 'life_state',
    'pipeline', 'amount', 'currency', 'created_date', 'sao_date', 'close_date', 'closed_date', 'order_type',
    'lead_source', 'loss_reason', 'list_value', 'cost'
] %}

with versions as (
    {{ newest_sheet_rows(source('spreadsheets', 'deals'), fields, begins=['created_date']) }}
)

select
    record_id,
    coalesce({{ filled('p.fields.deal_id') }}, record_id) as deal_id,
    {{ filled('p.fields.name') }} as name,
    {{ filled('p.fields.owner') }} as owner,
    lower({{ filled('p.fields.owner_email') }}) as owner_email,
    {{ filled('p.fields.company') }} as company,
    lower({{ filled('p.fields.contact_email') }}) as contact_email,
    {{ filled('p.fields.product') }} as product,
    {{ filled('p.fields.stage') }} as stage,
    coalesce({{ filled('p.fields.life_state') }}, 'open') as life_state,
    {{ filled('p.fields.pipeline') }} as pipeline,
    {{ money('p.fields.amount') }} as amount,
    {{ money('p.fields.list_value') }} as list_value,
    {{ money('p.fields.cost') }} as cost,
    upper({{ filled('p.fields.currency') }}) as currency,
    try_cast(p.fields.created_date as date) as created_date,
    try_cast(p.fields.sao_date as date) as sao_date,
    try_cast(p.fields.close_date as date) as close_date,
    try_cast(p.fields.closed_date as date) as closed_date,
    coalesce({{ filled('p.fields.order_type') }}, 'unknown') as order_type,
    {{ filled('p.fields.lead_source') }} as lead_source,
    {{ filled('p.fields.loss_reason') }} as loss_reason,
    p.corrected as corrected_text, p.file as file_name, p.sheet as sheet_name, try_cast(p.row as bigint) as row_number,
    is_deleted, is_reconstructed, version_at, landed_at, known_from
from versions
where coalesce(try_cast(p.fields.created_date as date), {{ as_of_date() }}) <= {{ as_of_date() }}
