-- grain: one row per owner and interval [valid_from, valid_to) of landed versions: the team that the seller was in
-- the vendor keeps no history of teams: the first version known reaches back to the beginning; a version that came without a new
-- stamp began when we first held it
with versions as (
    select
        record_id, payload, version_at, landed_at,
        lag(version_at) over (partition by record_id order by version_at nulls last, landed_at nulls last, batch_id nulls last) as version_at_before,
        row_number() over (partition by record_id order by version_at nulls last, landed_at nulls last, batch_id nulls last) as version_number
    from {{ source('hubspot', 'owners') }}
    where {{ known('landed_at') }} and {{ json_text('payload', 'tombstone') }} is null
),

teams as (
    select record_id, version_number, max_by(
        {{ json_text('item', 'name') }}, case when {{ json_text('item', 'primary') }} = 'true' then 1000 else 0 end - position
    ) filter (where {{ json_text('item', 'name') }} is not null) as team
    from {{ json_rows('versions', 'record_id, version_number', 'payload', 'teams') }} as listed
    group by record_id, version_number
),

dated as (
    select
        versions.record_id as owner_id, teams.team, versions.version_number,
        case
            when versions.version_number = 1 then {{ timestamp_literal('1900-01-01T00:00:00+00:00') }}
            when versions.version_at = versions.version_at_before then greatest(versions.version_at, versions.landed_at)
            else versions.version_at
        end as valid_from
    from versions
    left join teams on versions.record_id = teams.record_id and versions.version_number = teams.version_number
)

select owner_id, team, valid_from, lead(valid_from) over (partition by owner_id order by version_number nulls last) as valid_to
from dated
