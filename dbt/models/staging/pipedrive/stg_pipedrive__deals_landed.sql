-- grain: one row per landed version of a deal up to (E, K), tombstones included: the history of deals whose changelog has not been read yet
{%- set own_names = pd_own_names('deals') %}
with landed as (
    select *, payload as p, {{ pd_struct([
        'owner_id', 'pipeline_id', 'stage_id', 'status', 'won_time', 'lost_time', 'currency', 'expected_close_date', 'lost_reason', 'add_time'
    ], ['value'], 'payload') }} as r
    from ({{ landed_versions(source('pipedrive', 'deals')) }}) as versions
),

own as (
    {{ pd_own('deals', 'landed', 'record_id, payload_hash') }}
),

-- a field that the account lacks is unknown, not empty
had as (
    select
        count(*) as field_count
        {%- for field in rule_fields() if field in own_names %},
        max(case when field = '{{ field }}' then '' end) as {{ field }}
        {%- endfor %}
    from {{ pd_keys('deals') }} as keys
)

select
    landed.record_id as deal_id, landed.version_at, landed.landed_at, landed.payload_hash, landed.known_from, landed.is_later,
    case when landed.is_deleted then coalesce(landed.tombstone, 'removed') else '' end as deletion, landed.merged_into,
    landed.tombstone is not null as is_tombstone, coalesce({{ pd_stage('landed.r') }}, '') as stage_id, coalesce(landed.r.pipeline_id, '') as pipeline_id,
    coalesce(cast({{ pd_amount('cast(landed.r.value as string)') }} as string), '') as amount, coalesce(landed.r.currency, '') as currency,
    coalesce(cast({{ vendor_date('landed.r.expected_close_date', "'UTC'") }} as string), '') as close_date,
    coalesce(landed.r.owner_id, '') as owner_id, coalesce({{ 'own.forecast_category' if 'forecast_category' in own_names else "''" }}, '') as forecast_category,
    {%- for field in rule_fields() %}
    {% if field == 'loss_reason' %}coalesce(trim(landed.r.lost_reason), '')
    {%- elif field in own_names %}case when had.{{ field }} is not null then {{ pd_own_value(field, 'own.' ~ field) }} end
    {%- else %}cast(null as string){% endif %} as {{ field }},
    {%- endfor %}
    {{ 'own.lead_source' if 'lead_source' in own_names else 'cast(null as string) as lead_source' }},
    {{ vendor_instant('landed.r.add_time') }} as created_at
from landed
left join own on landed.record_id = own.record_id and landed.payload_hash = own.payload_hash
cross join had
