-- grain: one row per user, newest version as of (E, K), else the oldest known; users are deactivated, never deleted
with versions as (
    {{ pd_typed('users', ['name', 'email', 'active_flag', 'created']) }}
),

departures as (
    {{ departures(source('pipedrive', 'users'), "(is_deleted or " ~ json_text('payload', 'active_flag') ~ " = 'false')") }}
)

select
    versions.record_id as owner_id, versions.record_id as user_id,
    coalesce({{ filled('versions.r.name') }}, {{ filled('versions.r.email') }}, versions.record_id) as name,
    lower({{ filled('versions.r.email') }}) as email, teams.team, departures.left_at is null as is_active,
    {{ vendor_instant('versions.r.created') }} as created_at, departures.left_at, versions.version_at, versions.known_from
from versions
left join departures on versions.record_id = departures.record_id
left join {{ ref('stg_pipedrive__owner_teams') }} as teams on versions.record_id = teams.owner_id and teams.valid_from <= {{ as_of() }}
    and (teams.valid_to is null or teams.valid_to > {{ as_of() }})
