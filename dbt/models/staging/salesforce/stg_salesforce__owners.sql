-- grain: one row per user who is a person, newest version as of (E, K), else the oldest known; users are deactivated, never deleted
-- left_at: the stamp of the first version that is inactive after the last active one
with versions as (
    {{ sf_records('users', ['FirstName', 'LastName', 'Name', 'Email', 'IsActive', 'UserType', 'UserRoleId', 'CreatedDate']) }}
),

roles as (
    {{ sf_records('user_roles', ['Name']) }}
),

states as (
    select record_id, version_at, {{ json_text('payload', 'IsActive') }} = 'false' as is_gone
    from {{ source('salesforce', 'users') }} where {{ known('landed_at') }} and version_at <= {{ as_of() }} and {{ json_text('payload', 'tombstone') }} is null
),

last_active as (
    select record_id, max(case when not is_gone then version_at end) as active_at from states group by record_id
),

departures as (
    select states.record_id, min(states.version_at) as left_at
    from states
    inner join last_active on states.record_id = last_active.record_id
    where states.is_gone and states.version_at > coalesce(last_active.active_at, {{ timestamp_literal('1900-01-01T00:00:00+00:00') }})
    group by states.record_id
)

select
    versions.record_id as owner_id, versions.record_id as user_id,
    coalesce(
        {{ filled("concat_ws(' ', versions.p.firstname, versions.p.lastname)") }}, {{ filled('versions.p.name') }}, {{ filled('versions.p.email') }}, versions.record_id
    ) as name,
    lower({{ filled('versions.p.email') }}) as email, {{ filled('roles.p.name') }} as team,
    coalesce(versions.p.isactive, 'true') <> 'false' or versions.is_reconstructed as is_active,
    {{ vendor_instant('versions.p.createddate') }} as created_at,
    case when versions.p.isactive = 'false' and not versions.is_reconstructed then departures.left_at end as left_at,
    versions.version_at, versions.known_from
from versions
left join roles on versions.p.userroleid = roles.record_id
left join departures on versions.record_id = departures.record_id
where coalesce(versions.p.usertype, 'Standard') not in ('AutomatedProcess', 'CloudIntegrationUser', 'Guest')
