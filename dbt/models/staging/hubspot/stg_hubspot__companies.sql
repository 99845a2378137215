-- grain: one row per company, newest version as of (E, K); deleted records are kept and say so in `deletion`
{%- set number_field = var('company_number_fields').hubspot %}
{%- set fields = [
    'name', 'domain', 'industry', 'numberofemployees', 'annualrevenue', 'country', 'hubspot_owner_id', 'createdate',
    'hs_parent_company_id', 'segment', 'city', 'phone', number_field
] %}

with versions as (
    {{ newest_versions(source('hubspot', 'companies'), fields) }}
)

select
    versions.record_id as company_id,
    {{ filled('versions.p.properties.name') }} as name,
    lower({{ filled('versions.p.properties.domain') }}) as domain,
    {{ filled('versions.p.properties.industry') }} as industry,
    try_cast({{ filled('versions.p.properties.numberofemployees') }} as bigint) as employees,
    versions.p.properties.numberofemployees as employees_text,
    {{ money('versions.p.properties.annualrevenue') }} as revenue,
    versions.p.properties.annualrevenue as revenue_text, portal.currency,
    {{ filled('versions.p.properties.country') }} as country,
    {{ filled('versions.p.properties.city') }} as city,
    {{ filled('versions.p.properties.phone') }} as phone,
    {{ filled('versions.p.properties.hubspot_owner_id') }} as owner_id,
    {{ filled('versions.p.properties.hs_parent_company_id') }} as parent_company_id,
    {{ filled('versions.p.properties.segment') }} as segment,
    {{ filled('versions.p.properties.' ~ number_field) }} as legal_id_text,
    coalesce({{ vendor_instant('versions.p.properties.createdate') }}, {{ vendor_instant('versions.p.createdAt') }}) as created_at,
    versions.deletion, versions.deleted_at, versions.merged_into, versions.version_at, versions.is_reconstructed, versions.known_from
from versions
cross join {{ portal() }} as portal
where coalesce(coalesce({{ vendor_instant('versions.p.properties.createdate') }}, {{ vendor_instant('versions.p.createdAt') }}), {{ as_of() }}) <= {{ as_of() }}
