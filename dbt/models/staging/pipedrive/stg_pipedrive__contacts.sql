-- grain: one row per person, newest version as of (E, K); deleted records are kept and say so in `deletion`
-- Of several addresses and numbers the primary one counts. How a person came in is not said, so nobody counts as typed.
with versions as (
    {{ pd_typed('persons', ['name', 'first_name', 'last_name', 'owner_id', 'org_id', 'job_title', 'add_time']) }}
),

own as (
    {{ pd_own('persons', 'versions', 'record_id') }}
),

{%- for name in ['emails', 'phones'] %}

{{ name }} as (
    select
        record_id, min_by(value, place) filter (where value is not null) as value,
        min_by(value, place) filter (where value is not null and label = 'mobile') as mobile
    from (
        select
            record_id, {{ filled(json_text('item', 'value')) }} as value, lower({{ json_text('item', 'label') }}) as label,
            position + case when {{ json_text('item', 'primary') }} = 'true' then 0 else 1000 end as place
        from {{ json_rows('versions', 'record_id', 'p', name) }} as listed
    ) as typed
    group by record_id
){{ ',' if not loop.last }}
{%- endfor %}

select
    versions.record_id as contact_id, lower(emails.value) as email,
    coalesce({{ filled('versions.r.first_name') }}, case when {{ filled('versions.r.last_name') }} is null then nullif({{ filled('versions.r.name') }}, '-') end) as first_name,
    {{ filled('versions.r.last_name') }} as last_name, phones.value as phone, phones.mobile as mobile_phone,
    {{ filled('versions.r.job_title') }} as title, cast(null as string) as company_name, own.country, own.city, own.lifecycle_stage, own.lead_status,
    own.first_source, own.campaign, own.role, {{ filled('versions.r.owner_id') }} as owner_id, cast(null as string) as entry_channel, false as was_filled_in,
    {{ bounce_kind('own.email_bounce') }} as email_bounce, {{ filled('versions.r.org_id') }} as company_id,
    {{ vendor_instant('versions.r.add_time') }} as created_at,
    versions.deletion, versions.deleted_at, versions.merged_into, versions.version_at, versions.is_reconstructed, versions.known_from
from versions
left join own on versions.record_id = own.record_id
left join emails on versions.record_id = emails.record_id
left join phones on versions.record_id = phones.record_id
where coalesce({{ vendor_instant('versions.r.add_time') }}, {{ as_of() }}) <= {{ as_of() }}
