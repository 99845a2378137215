-- grain: one row per deal, newest version as of (E, K); deleted records are kept and say so in `deletion`
-- a close date stored as an instant becomes the date in the portal's zone here; amounts in words are null (see stg_hubspot__problems)
{%- set fields = [
    'dealname', 'dealstage', 'pipeline', 'amount', 'deal_currency_code', 'closedate', 'createdate', 'hubspot_owner_id',
    'hs_manual_forecast_category', 'hs_next_step', 'closed_lost_reason', 'dealtype', 'hs_analytics_source', 'hs_acv', 'hs_tcv', 'hs_is_closed',
    'hs_is_closed_won', 'campaign', 'competitor'
] %}

with versions as (
    {{ newest_versions(source('hubspot', 'deals'), fields) }}
)

select
    versions.record_id as deal_id,
    {{ filled('versions.p.properties.dealname') }} as name,
    {{ filled('versions.p.properties.pipeline') }} as pipeline_id,
    {{ filled('versions.p.properties.dealstage') }} as stage_id,
    {{ money('versions.p.properties.amount') }} as amount,
    versions.p.properties.amount as amount_text,
    upper(coalesce({{ filled('versions.p.properties.deal_currency_code') }}, portal.currency)) as currency,
    {{ vendor_date('versions.p.properties.closedate', 'portal.zone') }} as close_date,
    versions.p.properties.closedate as close_date_text,
    {{ filled('versions.p.properties.hubspot_owner_id') }} as owner_id,
    {{ filled('versions.p.properties.hs_manual_forecast_category') }} as forecast_category,
    {{ filled('versions.p.properties.hs_next_step') }} as next_step,
    {{ filled('versions.p.properties.closed_lost_reason') }} as loss_reason,
    {{ filled('versions.p.properties.dealtype') }} as order_type_text,
    {{ filled('versions.p.properties.hs_analytics_source') }} as lead_source,
    {{ filled('versions.p.properties.campaign') }} as campaign,
    {{ filled('versions.p.properties.competitor') }} as competitor,
    {{ money('versions.p.properties.hs_acv') }} as acv,
    {{ money('versions.p.properties.hs_tcv') }} as tcv,
    versions.p.properties.hs_acv as acv_text, versions.p.properties.hs_tcv as tcv_text,
    lower(versions.p.properties.hs_is_closed) = 'true' as is_closed,
    lower(versions.p.properties.hs_is_closed_won) = 'true' as is_closed_won,
    'https://' || coalesce(portal.ui_domain, 'app.hubspot.com') || '/contacts/' || portal.portal_id || '/record/0-3/' || versions.record_id as url,
    coalesce({{ vendor_instant('versions.p.properties.createdate') }}, {{ vendor_instant('versions.p.createdAt') }}) as created_at,
    versions.deletion, versions.deleted_at, versions.merged_into, versions.version_at, versions.is_reconstructed, versions.known_from
from versions
cross join {{ portal() }} as portal
where coalesce(coalesce({{ vendor_instant('versions.p.properties.createdate') }}, {{ vendor_instant('versions.p.createdAt') }}), {{ as_of() }}) <= {{ as_of() }}
