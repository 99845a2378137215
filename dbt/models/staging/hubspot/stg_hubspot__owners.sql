-- grain: one row per owner, newest version as of (E, K), else the oldest known; archived owners (former sellers) are kept: old deals need their names
-- an owner without a name is shown by e-mail; the team is the primary one, else the first given
with versions as (
    select *, {{ json_struct('payload', {
        'email': 'VARCHAR', 'firstName': 'VARCHAR', 'lastName': 'VARCHAR', 'type': 'VARCHAR', 'archived': 'BOOLEAN',
        'userId': 'VARCHAR', 'userIdIncludingInactive': 'VARCHAR', 'createdAt': 'VARCHAR', 'updatedAt': 'VARCHAR'
    }) }} as p, min(landed_at) over (partition by record_id) as known_from,
    row_number() over (
        partition by record_id order by case when {{ json_text('payload', 'tombstone') }} is null then 0 else 1 end,
            case when version_at <= {{ as_of() }} then 0 else 1 end, case when version_at <= {{ as_of() }} then version_at end desc,
            case when version_at <= {{ as_of() }} then landed_at end desc, version_at nulls last, landed_at nulls last, payload_hash desc
    ) as choice
    from {{ source('hubspot', 'owners') }} where {{ known('landed_at') }}
),

teams as (
    select record_id, max_by(
        {{ json_text('item', 'name') }}, case when {{ json_text('item', 'primary') }} = 'true' then 1000 else 0 end - position
    ) filter (where {{ json_text('item', 'name') }} is not null) as team
    from {{ json_rows('versions', 'record_id, choice', 'payload', 'teams') }} as listed where choice = 1
    group by record_id
)

select
    versions.record_id as owner_id,
    coalesce(versions.p.userid, versions.p.useridincludinginactive) as user_id,
    coalesce(
        {{ filled("concat_ws(' ', versions.p.firstName, versions.p.lastName)") }}, {{ filled('versions.p.email') }}, versions.record_id
    ) as name,
    lower({{ filled('versions.p.email') }}) as email, teams.team,
    not (coalesce(versions.p.archived, false) or versions.is_deleted) or versions.version_at > {{ as_of() }} as is_active,
    {{ vendor_instant('versions.p.createdAt') }} as created_at,
    case when (coalesce(versions.p.archived, false) or versions.is_deleted) and versions.version_at <= {{ as_of() }}
        then coalesce({{ vendor_instant('versions.p.updatedAt') }}, versions.version_at) end as left_at,
    versions.version_at, versions.known_from
from versions
left join teams on versions.record_id = teams.record_id
where versions.choice = 1
