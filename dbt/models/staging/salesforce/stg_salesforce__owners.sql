-- grain: one row per user who is a person, newest version as of (E, K), else the oldest known; users are deactivated, never deleted
with versions as (
    {{ sf_records('users', ['FirstName', 'LastName', 'Name', 'Email', 'IsActive', 'UserType', 'UserRoleId', 'CreatedDate']) }}
),

roles as (
    {{ sf_records('user_roles', ['Name']) }}
),

departures as (
    {{ departures(source('salesforce', 'users'), json_text('payload', 'IsActive') ~ " = 'false'", json_text('payload', 'tombstone') ~ ' is null') }}
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
