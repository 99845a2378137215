-- grain: one row per organization, newest version as of (E, K); deleted records are kept and say so in `deletion`
with versions as (
    {{ pd_typed('organizations', ['name', 'owner_id', 'website', 'address', 'add_time']) }}
),

own as (
    {{ pd_own('organizations', 'versions', 'record_id') }}
)

select
    versions.record_id as company_id,
    {{ filled('versions.r.name') }} as name,
    {{ replace_all("lower(" ~ filled('versions.r.website') ~ ")", '(^https?://|/.*$)', '') }} as domain,
    own.industry, try_cast({{ pd_whole('own.employees') }} as bigint) as employees, own.employees as employees_text,
    {{ money('own.revenue') }} as revenue, own.revenue as revenue_text, coalesce({{ filled('own.revenue_currency') }}, accounts.currency) as currency,
    {{ filled(json_text('versions.r.address', 'country')) }} as country, {{ filled(json_text('versions.r.address', 'locality')) }} as city,
    cast(null as string) as phone, {{ pd_whole('own.legal_id') }} as legal_id_text,
    {{ filled('versions.r.owner_id') }} as owner_id, {{ vendor_instant('versions.r.add_time') }} as created_at,
    versions.deletion, versions.deleted_at, versions.merged_into, versions.version_at, versions.is_reconstructed, versions.known_from
from versions
left join own on versions.record_id = own.record_id
cross join {{ ref('stg_pipedrive__accounts') }} as accounts
where coalesce({{ vendor_instant('versions.r.add_time') }}, {{ as_of() }}) <= {{ as_of() }}
