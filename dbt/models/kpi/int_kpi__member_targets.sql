{{ config(materialized=intermediate()) }}
-- grain: one row per day of knowledge, dimension (company, team, owner), member and month with a target, in the version in force on that day
-- Days of knowledge: the as-of day, for every month, and each other snapshot day, for the months of its own fiscal quarter.
-- A team's own target stands before the sum of its sellers'; a seller's target belongs to the team of the first of the month. A seller who
-- had left before the month has no row: the target stays with the team (M22). The company is the sum of teams and of sellers without one.
{%- set month_begins = 'least(in_force.month, cast(in_force.known_date + interval 1 day as date))' %}
with in_force as (
    select days.snapshot_date as known_date, targets.owner_key, targets.team, targets.month, targets.valid_from, targets.target_base
    from {{ ref('targets') }} as targets
    inner join {{ snapshot_days() }} as days
        on targets.valid_from <= days.snapshot_date and (targets.valid_to > days.snapshot_date or targets.valid_to is null)
        and (days.snapshot_date = {{ as_of_date() }} or {{ fiscal_quarter_start('targets.month') }} = {{ fiscal_quarter_start('days.snapshot_date') }})
    where targets.target_base is not null
),

sellers as (
    select
        in_force.known_date, in_force.owner_key, coalesce(owners.name, owners.email, in_force.owner_key) as owner, in_force.month, in_force.target_base, in_force.valid_from,
        coalesce(teams.team, owners.team) as team,
        coalesce(owners.left_date < in_force.month and owners.left_date <= in_force.known_date, false) as has_left
    from in_force
    left join {{ ref('owners') }} as owners on in_force.owner_key = owners.owner_key
    left join {{ ref('int_pipeline__owner_teams') }} as teams
        on in_force.owner_key = teams.owner_key and {{ local_midnight(month_begins) }} >= teams.valid_from
        and ({{ local_midnight(month_begins) }} < teams.valid_to or teams.valid_to is null)
    where in_force.owner_key is not null
),

summed_teams as (
    select known_date, team, month, sum(target_base) as target_base, max(valid_from) as valid_from
    from sellers
    where team is not null
    group by known_date, team, month
),

explicit_teams as (
    select known_date, team, month, target_base, valid_from from in_force where team is not null
),

teams as (
    select
        coalesce(own.known_date, summed.known_date) as known_date, coalesce(own.team, summed.team) as team,
        coalesce(own.month, summed.month) as month, coalesce(own.target_base, summed.target_base) as target_base,
        coalesce(own.valid_from, summed.valid_from) as valid_from
    from explicit_teams as own
    full join summed_teams as summed on own.known_date = summed.known_date and own.team = summed.team and own.month = summed.month
)

select known_date, 'owner' as dimension, owner_key as member_key, owner as member, month, target_base, valid_from from sellers where not has_left
union all
select known_date, 'team' as dimension, team as member_key, team as member, month, target_base, valid_from from teams
union all
select known_date, 'company', 'all', 'all', month, sum(target_base), max(valid_from)
from (
    select known_date, month, target_base, valid_from from teams
    union all
    select known_date, month, target_base, valid_from from sellers where team is null
) as parts
group by known_date, month
