-- grain: one row per contact, newest version as of (E, K); deleted records are kept and say so in `deletion`
{%- set fields = [
    'email', 'firstname', 'lastname', 'phone', 'mobilephone', 'jobtitle', 'company', 'country', 'city',
    'lifecyclestage', 'hs_lead_status', 'hs_latest_source', 'hs_analytics_source', 'hubspot_owner_id', 'createdate', 'campaign',
    'hs_object_source', 'hs_email_hard_bounce_reason_enum'
] %}

with versions as (
    {{ newest_versions(source('hubspot', 'contacts'), fields) }}
)

select
    versions.record_id as contact_id,
    lower({{ filled('versions.p.properties.email') }}) as email,
    {{ filled('versions.p.properties.firstname') }} as first_name,
    {{ filled('versions.p.properties.lastname') }} as last_name,
    coalesce({{ filled('versions.p.properties.phone') }}, {{ filled('versions.p.properties.mobilephone') }}) as phone,
    {{ filled('versions.p.properties.mobilephone') }} as mobile_phone,
    {{ filled('versions.p.properties.jobtitle') }} as title,
    {{ filled('versions.p.properties.company') }} as company_name,
    {{ filled('versions.p.properties.country') }} as country,
    {{ filled('versions.p.properties.city') }} as city,
    {{ filled('versions.p.properties.lifecyclestage') }} as lifecycle_stage,
    {{ filled('versions.p.properties.hs_lead_status') }} as lead_status,
    {{ filled('versions.p.properties.hs_latest_source') }} as latest_source,
    {{ filled('versions.p.properties.hs_analytics_source') }} as first_source,
    {{ filled('versions.p.properties.hubspot_owner_id') }} as owner_id,
    {{ filled('versions.p.properties.campaign') }} as campaign,
    {{ filled('versions.p.properties.hs_object_source') }} as entry_channel,
    coalesce({{ filled('versions.p.properties.hs_object_source') }}, 'IMPORT') not in ('IMPORT', 'MIGRATION', 'MERGE_OBJECTS', 'BATCH_UPDATE') as was_filled_in,
    {{ bounce_kind(filled('versions.p.properties.hs_email_hard_bounce_reason_enum')) }} as email_bounce,
    coalesce({{ vendor_instant('versions.p.properties.createdate') }}, {{ vendor_instant('versions.p.createdAt') }}) as created_at,
    versions.deletion, versions.deleted_at, versions.merged_into, versions.version_at, versions.is_reconstructed, versions.known_from
from versions
where coalesce(coalesce({{ vendor_instant('versions.p.properties.createdate') }}, {{ vendor_instant('versions.p.createdAt') }}), {{ as_of() }}) <= {{ as_of() }}
