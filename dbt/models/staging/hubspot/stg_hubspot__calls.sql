-- grain: one row per call, newest version as of (E, K); deleted records are kept and say so in `deletion`
-- occurred_at is the vendor's hs_timestamp and may lie far from the created instant, also in the future
{%- set fields = [
    'hs_call_title', 'hs_call_direction', 'hs_call_disposition', 'hs_call_duration', 'hs_call_status', 'hs_timestamp', 'hs_createdate', 'hubspot_owner_id',
    'hs_object_source', 'hs_created_by_user_id'
] %}

with versions as (
    {{ newest_versions(source('hubspot', 'calls'), fields) }}
)

select
    versions.record_id as call_id,
    {{ filled('versions.p.properties.hs_call_title') }} as subject,
    {{ filled('versions.p.properties.hs_call_direction') }} as direction,
    {{ filled('versions.p.properties.hs_call_disposition') }} as disposition,
    try_cast({{ filled('versions.p.properties.hs_call_duration') }} as bigint) as duration_ms,
    versions.p.properties.hs_call_duration as duration_text,
    {{ filled('versions.p.properties.hs_call_status') }} as status,
    {{ vendor_instant('versions.p.properties.hs_timestamp') }} as occurred_at,
    {{ filled('versions.p.properties.hubspot_owner_id') }} as owner_id,
    {{ filled('versions.p.properties.hs_object_source') }} as object_source,
    {{ filled('versions.p.properties.hs_created_by_user_id') }} as created_by_user_id,
    coalesce({{ vendor_instant('versions.p.properties.hs_createdate') }}, {{ vendor_instant('versions.p.createdAt') }}) as created_at,
    versions.deletion, versions.deleted_at, versions.merged_into, versions.version_at, versions.is_reconstructed, versions.known_from
from versions
where coalesce(coalesce({{ vendor_instant('versions.p.properties.hs_createdate') }}, {{ vendor_instant('versions.p.createdAt') }}), {{ as_of() }}) <= {{ as_of() }}
