-- grain: one row per landed version of a deal up to (E, K), tombstones included: the history of what has no history
{%- set fields = [
    'dealstage', 'pipeline', 'amount', 'deal_currency_code', 'closedate', 'createdate', 'hubspot_owner_id', 'hs_manual_forecast_category', 'hs_analytics_source'
] %}
{%- set read = rule_properties() %}
with landed as (
    select *, {{ hubspot_struct('payload', (fields + read.values() | list) | unique | list) }} as p
    from ({{ landed_versions(source('hubspot', 'deals')) }}) as versions
)

select
    landed.record_id as deal_id, landed.version_at, landed.landed_at, landed.payload_hash, landed.known_from, landed.is_later,
    case when landed.is_deleted then coalesce(landed.tombstone, 'removed') else '' end as deletion,
    landed.merged_into, landed.tombstone is not null as is_tombstone,
    coalesce(trim(landed.p.properties.dealstage), '') as stage_id, coalesce(trim(landed.p.properties.pipeline), '') as pipeline_id,
    coalesce(cast({{ money('landed.p.properties.amount') }} as string), '') as amount,
    coalesce(trim(landed.p.properties.deal_currency_code), '') as currency,
    coalesce(cast({{ vendor_date('landed.p.properties.closedate', 'portal.zone') }} as string), '') as close_date,
    coalesce(trim(landed.p.properties.hubspot_owner_id), '') as owner_id,
    coalesce(trim(landed.p.properties.hs_manual_forecast_category), '') as forecast_category,
    {%- for field in rule_fields() %}
    {{ rule_value('landed.p.properties.' ~ read[field], field) if field in read else 'cast(null as string)' }} as {{ field }},
    {%- endfor %}
    {{ filled('landed.p.properties.hs_analytics_source') }} as lead_source,
    coalesce(
        {{ vendor_instant('landed.p.properties.createdate') }}, {{ vendor_instant('landed.p.createdAt') }}
    ) as created_at
from landed
cross join {{ portal() }} as portal
