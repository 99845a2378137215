-- grain: one row per landed version of an opportunity up to (E, K), tombstones included: the history of what nobody tracks
{%- set own = sf_own_fields('opportunities') %}
{%- set fields = ['StageName', 'RecordTypeId', 'Amount', 'CurrencyIsoCode', 'CloseDate', 'OwnerId', 'ForecastCategory', 'LeadSource', 'CreatedDate'] %}
with landed as (
    select *, {{ sf_struct(fields + own.values() | list, 'payload') }} as p
    from ({{ landed_versions(source('salesforce', 'opportunities'), 'MasterRecordId') }}) as versions
)

select
    landed.record_id as deal_id, landed.version_at, landed.landed_at, landed.payload_hash, landed.known_from, landed.is_later,
    case when landed.is_deleted then coalesce(landed.tombstone, 'removed') else '' end as deletion,
    landed.merged_into, landed.tombstone is not null as is_tombstone,
    {{ sf_value('text', 'landed.p.stagename') }} as stage_id, {{ sf_value('record_type', 'landed.p.recordtypeid') }} as pipeline_id,
    {{ sf_value('amount', 'landed.p.amount') }} as amount, {{ sf_value('text', 'landed.p.currencyisocode') }} as currency,
    {{ sf_value('date', 'landed.p.closedate') }} as close_date, {{ sf_value('owner', 'landed.p.ownerid') }} as owner_id,
    {{ sf_value('forecast', 'landed.p.forecastcategory') }} as forecast_category,
    {%- for field in rule_fields() %}
    {{ sf_value(sf_kind(field), 'landed.p.' ~ own[field] | lower) if field in own else 'cast(null as string)' }} as {{ field }},
    {%- endfor %}
    {{ filled('landed.p.leadsource') }} as lead_source,
    {{ vendor_instant('landed.p.createddate') }} as created_at
from landed
