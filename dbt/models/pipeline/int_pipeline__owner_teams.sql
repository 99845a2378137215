{{ config(materialized=intermediate()) }}
-- grain: one row per seller and interval [valid_from, valid_to): the team at that time, one interval as long as it stays the same
-- a seller of two CRMs has the teams of the first; a sheet knows the present team only, and gives it to a seller whom the CRM has in no team
with crm as (
    select
        teams.source || ':owner:' || teams.owner_id as owner_key, teams.team, teams.valid_from,
        max(teams.team) over (partition by teams.source, teams.owner_id) as any_team,
        lag(teams.team) over (partition by teams.source, teams.owner_id order by teams.valid_from nulls last) as team_before,
        row_number() over (partition by teams.source, teams.owner_id order by teams.valid_from nulls last) as place
    from {{ ref('int_crm__owner_teams') }} as teams
    left join {{ ref('int_pipeline__same_owners') }} as same on {{ same_seller('teams.source', 'teams.owner_id', 'same') }}
    where same.owner_key is null and (teams.valid_to is null or teams.valid_to > teams.valid_from)
),

listed as (
    select distinct owner_key from crm where any_team is not null
)

select owner_key, team, valid_from, lead(valid_from) over (partition by owner_key order by valid_from nulls last) as valid_to
from crm where any_team is not null and (place = 1 or team is distinct from team_before)
union all
select owners.owner_key, owners.team, {{ timestamp_literal('1900-01-01T00:00:00+00:00') }}, cast(null as {{ instant_type() }})
from {{ ref('owners') }} as owners
left join listed on owners.owner_key = listed.owner_key
where listed.owner_key is null
