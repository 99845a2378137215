-- grain: one row per user, newest version as of (E, K), else the oldest known; users are deactivated, never deleted
-- left_at: the stamp of the first version that is inactive after the last active one
with versions as (
    {{ pd_typed('users', ['name', 'email', 'active_flag', 'created']) }}
),

states as (
    select record_id, version_at, is_deleted or {{ json_text('payload', 'active_flag') }} = 'false' as is_gone
    from {{ source('pipedrive', 'users') }} where {{ known('landed_at') }} and version_at <= {{ as_of() }}
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
    coalesce({{ filled('versions.r.name') }}, {{ filled('versions.r.email') }}, versions.record_id) as name,
    lower({{ filled('versions.r.email') }}) as email, teams.team, departures.left_at is null as is_active,
    {{ vendor_instant('versions.r.created') }} as created_at, departures.left_at, versions.version_at, versions.known_from
from versions
left join departures on versions.record_id = departures.record_id
left join {{ ref('stg_pipedrive__owner_teams') }} as teams on versions.record_id = teams.owner_id and teams.valid_from <= {{ as_of() }}
    and (teams.valid_to is null or teams.valid_to > {{ as_of() }})
