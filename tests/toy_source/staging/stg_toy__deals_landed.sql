-- grain: one row per landed version of a deal up to (E, K): the CRM keeps no history of its own
with landed as (
    select *, {{ json_struct('payload', {'stage': 'VARCHAR', 'value': 'VARCHAR', 'currency': 'VARCHAR', 'closes_on': 'VARCHAR', 'made': 'VARCHAR'}) }} as p
    from ({{ landed_versions(source('toy', 'deals')) }}) as versions
)

select
    record_id as deal_id, landed_at, payload_hash, is_later, tombstone is not null as is_tombstone,
    case when is_deleted then coalesce(tombstone, 'removed') else '' end as deletion, merged_into, coalesce(p.stage, '') as stage_id,
    'default' as pipeline_id, coalesce(p.value, '') as amount, coalesce(p.currency, '') as currency, coalesce(p.closes_on, '') as close_date,
    '' as owner_id, '' as forecast_category, cast(null as string) as lead_source,
    {%- for field in rule_fields() %}
    cast(null as string) as {{ field }},
    {%- endfor %}
    {{ vendor_instant('p.made') }} as created_at, version_at, known_from
from landed
