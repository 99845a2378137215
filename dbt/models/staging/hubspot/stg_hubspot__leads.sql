-- grain: one row per lead, newest version as of (E, K); deleted records are kept and say so in `deletion`
{%- set fields = [
    'hs_lead_name', 'hs_pipeline', 'hs_pipeline_stage', 'hs_lead_type', 'hs_lead_label', 'hs_lead_source', 'hs_lead_disqualification_reason', 'hubspot_owner_id',
    'hs_createdate', 'campaign'
] %}

with versions as (
    {{ newest_versions(source('hubspot', 'leads'), fields) }}
)

select
    versions.record_id as lead_id,
    {{ filled('versions.p.properties.hs_lead_name') }} as name,
    {{ filled('versions.p.properties.hs_pipeline') }} as pipeline_id,
    {{ filled('versions.p.properties.hs_pipeline_stage') }} as stage_id,
    {{ filled('versions.p.properties.hs_lead_type') }} as lead_type,
    {{ filled('versions.p.properties.hs_lead_label') }} as lead_label,
    {{ filled('versions.p.properties.hs_lead_source') }} as lead_source,
    {{ filled('versions.p.properties.hs_lead_disqualification_reason') }} as disqualification_reason,
    {{ filled('versions.p.properties.hubspot_owner_id') }} as owner_id,
    {{ filled('versions.p.properties.campaign') }} as campaign,
    coalesce({{ vendor_instant('versions.p.properties.hs_createdate') }}, {{ vendor_instant('versions.p.createdAt') }}) as created_at,
    versions.deletion, versions.deleted_at, versions.merged_into, versions.version_at, versions.is_reconstructed, versions.known_from
from versions
where coalesce(coalesce({{ vendor_instant('versions.p.properties.hs_createdate') }}, {{ vendor_instant('versions.p.createdAt') }}), {{ as_of() }}) <= {{ as_of() }}
