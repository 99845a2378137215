-- grain: one row per opportunity, newest version as of (E, K); deleted records are kept and say so in `deletion`
{%- set own = sf_own_fields('opportunities') %}
{%- set fields = [
    'Name', 'StageName', 'RecordTypeId', 'Type', 'LeadSource', 'OwnerId', 'AccountId', 'ContactId', 'Amount', 'CloseDate', 'CurrencyIsoCode', 'IsClosed', 'IsWon',
    'CreatedDate'
] %}

with versions as (
    {{ sf_records('opportunities', fields + own.values() | list) }}
)

select
    versions.record_id as deal_id,
    {{ filled('versions.p.name') }} as name,
    {% if var('salesforce_record_url', '') %}'{{ var("salesforce_record_url") }}/lightning/r/' || versions.record_id || '/view'{% else %}cast(null as string){% endif %} as url,
    {{ filled('versions.p.stagename') }} as stage_id, {{ sf_pipeline('versions.p.recordtypeid') }} as pipeline_id,
    {{ filled('versions.p.type') }} as order_type_text,
    {{ filled('versions.p.leadsource') }} as lead_source,
    {{ sf_own('opportunities', 'campaign') }} as campaign, {{ sf_own('opportunities', 'competitor') }} as competitor,
    {{ sf_own('opportunities', 'next_step') }} as next_step, {{ sf_own('opportunities', 'loss_reason') }} as loss_reason,
    {{ money(sf_own('opportunities', 'acv')) }} as acv,
    {{ sf_owner('versions.p.ownerid') }} as owner_id,
    versions.p.isclosed = 'true' as is_closed, versions.p.iswon = 'true' as is_closed_won,
    {{ money('versions.p.amount') }} as amount, versions.p.amount as amount_text, try_cast(versions.p.closedate as date) as close_date,
    {{ filled('versions.p.currencyisocode') }} as currency, {{ filled('versions.p.accountid') }} as company_id,
    {{ filled('versions.p.contactid') }} as contact_id,
    {{ vendor_instant('versions.p.createddate') }} as created_at,
    versions.deletion, versions.deleted_at, versions.merged_into, versions.version_at, versions.is_reconstructed, versions.known_from
from versions
where coalesce({{ vendor_instant('versions.p.createddate') }}, {{ as_of() }}) <= {{ as_of() }}
