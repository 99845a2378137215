{{ config(materialized='ephemeral') }}
-- grain: one row per dimension (company, team, owner), member and month with a target, in the version in force on the as-of day
-- A team's own target stands before the sum of its sellers'; a seller's target belongs to the team of the first of the month. A seller who
-- had left before the month has no row: the target stays with the team (M22). The company is the sum of teams and of sellers without one.
with in_force as (
    select owner_key, team, month, valid_from, target_base
    from {{ ref('targets') }}
    where target_base is not null and valid_from <= {{ as_of_date() }} and (valid_to > {{ as_of_date() }} or valid_to is null)
),

sellers as (
    select
        in_force.owner_key, coalesce(owners.name, owners.email, in_force.owner_key) as owner, in_force.month, in_force.target_base, in_force.valid_from,
        coalesce(teams.team, owners.team) as team, coalesce(owners.left_date < in_force.month, false) as has_left
    from in_force
    left join {{ ref('owners') }} as owners on in_force.owner_key = owners.owner_key
    left join {{ ref('int_pipeline__owner_teams') }} as teams
        on in_force.owner_key = teams.owner_key and {{ local_midnight('in_force.month') }} >= teams.valid_from
        and ({{ local_midnight('in_force.month') }} < teams.valid_to or teams.valid_to is null)
    where in_force.owner_key is not null
),

summed_teams as (
    select team, month, sum(target_base) as target_base, max(valid_from) as valid_from from sellers where team is not null group by team, month
),

explicit_teams as (
    select team, month, target_base, valid_from from in_force where team is not null
),

teams as (
    select
        coalesce(own.team, summed.team) as team, coalesce(own.month, summed.month) as month, coalesce(own.target_base, summed.target_base) as target_base,
        coalesce(own.valid_from, summed.valid_from) as valid_from
    from explicit_teams as own
    full join summed_teams as summed on own.team = summed.team and own.month = summed.month
)

select 'owner' as dimension, owner_key as member_key, owner as member, month, target_base, valid_from from sellers where not has_left
union all
select 'team' as dimension, team as member_key, team as member, month, target_base, valid_from from teams
union all
select 'company', 'all', 'all', month, sum(target_base), max(valid_from)
from (
    select month, target_base, valid_from from teams
    union all
    select month, target_base, valid_from from sellers where team is null
) as parts
group by month
