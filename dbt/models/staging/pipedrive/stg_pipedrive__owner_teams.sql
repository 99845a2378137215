-- grain: one row per user and interval [valid_from, valid_to) between landed versions of any team: the team that the seller was in
-- the vendor keeps no history of teams: the first versions known reach back to the beginning; of several teams the one with the smallest id counts
with versions as (
    select
        record_id as team_id, payload, is_deleted, landed_at, {{ json_text('payload', 'name') }} as team,
        case when row_number() over (partition by record_id order by landed_at nulls last, batch_id nulls last) = 1 then {{ timestamp_literal('1900-01-01T00:00:00+00:00') }}
            else landed_at end as valid_from,
        lead(landed_at) over (partition by record_id order by landed_at nulls last, batch_id nulls last) as valid_to
    from {{ source('pipedrive', 'teams') }} where {{ known('landed_at') }}
),

members as (
    select team_id, team, valid_from, valid_to, cast(item as string) as owner_id
    from {{ json_rows('versions', 'team_id, team, valid_from, valid_to, is_deleted', 'payload', 'users') }} as listed where not is_deleted
),

instants as (
    select sellers.owner_id, points.valid_from
    from (select distinct owner_id from members) as sellers
    cross join (select distinct valid_from from versions) as points
),

placed as (
    select
        instants.owner_id, instants.valid_from, min_by(members.team, lpad(members.team_id, 20, '0')) filter (where members.team is not null) as team
    from instants
    left join members on instants.owner_id = members.owner_id and instants.valid_from >= members.valid_from
        and (members.valid_to is null or instants.valid_from < members.valid_to)
    group by instants.owner_id, instants.valid_from
)

select owner_id, team, valid_from, lead(valid_from) over (partition by owner_id order by valid_from nulls last) as valid_to
from placed
