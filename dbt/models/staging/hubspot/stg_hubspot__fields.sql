-- grain: one row per field of a deal that the portal has at K, archived ones out, and that we read
{%- set own = [('forecast_category', 'hs_manual_forecast_category'), ('lead_source', 'hs_analytics_source')] %}
with properties as (
    select split_part(record_id, '.', 1) as object, {{ json_text('payload', 'name') }} as property
    from {{ last_listed(source('hubspot', 'properties')) }} as listed
    where coalesce({{ json_text('payload', 'archived') }}, 'false') <> 'true'
)

select distinct names.field
from {{ text_rows(rule_properties().items() | list + own, ['field', 'property']) }} as names
inner join properties on names.property = properties.property and properties.object = 'deals'
