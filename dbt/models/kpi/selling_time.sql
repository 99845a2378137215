-- grain: one row per ISO week of the last 52 (the running one up to the as-of day) and team with a seller at work or a deal; team `all` = everyone
-- M24: hours with customers (held meetings and calls that took time, overlaps of one seller counted once) over the working hours of the
-- team's sellers by their calendars. A lower bound, and for teams only: calendars and call logs have holes. A member of a team counts from
-- the first to the last day at the company. Edits: changes of a deal's fields, typed (by a person in the CRM's pages or app) or filled by
-- anything else, in the team that had the deal then.
with workdays as (
    select
        calendar.week_start, owners.owner_key, coalesce(teams.team, 'unknown') as team,
        {{ elapsed_minutes('calendar.opens_at', 'calendar.closes_at') }} as working_minutes
    from {{ ref('owners') }} as owners
    inner join {{ ref('calendar') }} as calendar
        on calendar.country = coalesce(upper(owners.country), '{{ var("company_country") }}') and calendar.is_working_day
        and calendar.date <= {{ as_of_date() }} and calendar.week_start > cast({{ as_of_date() }} - interval 364 day as date)
        and (owners.started_date is null or owners.started_date <= calendar.date) and (owners.left_date is null or owners.left_date >= calendar.date)
    inner join {{ ref('int_pipeline__owner_teams') }} as teams
        on owners.owner_key = teams.owner_key and teams.team is not null and {{ local_midnight('calendar.date') }} >= teams.valid_from
        and ({{ local_midnight('calendar.date') }} < teams.valid_to or teams.valid_to is null)
),

meetings as (
    select
        owner_key, activity_key, occurred_at, {{ epoch_micros('occurred_at') }} as starts,
        {{ epoch_micros('occurred_at') }} + cast(round(duration_minutes * 60000000) as bigint) as ends
    from {{ ref('activities') }}
    where occurred_at <= {{ as_of() }} and duration_minutes > 0 and owner_key is not null and is_human
        and (activity_type = 'call' or (activity_type = 'meeting' and is_held))
),

-- what a conversation adds to those that began before it, in whole microseconds: sums of fractions would depend on their order
added as (
    select
        owner_key, occurred_at,
        greatest(ends - greatest(starts, coalesce(max(ends) over (
            partition by owner_key order by starts nulls last, ends nulls last, activity_key nulls last rows between unbounded preceding and 1 preceding
        ), starts)), 0) as micros
    from meetings
),

selling as (
    select {{ week_start(local_date('added.occurred_at')) }} as week_start, coalesce(teams.team, 'unknown') as team, added.micros
    from added
    inner join {{ ref('int_pipeline__owner_teams') }} as teams
        on added.owner_key = teams.owner_key and added.occurred_at >= teams.valid_from and (added.occurred_at < teams.valid_to or teams.valid_to is null)
    where teams.team is not null
),

edits as (
    select
        {{ week_start(local_date('changes.changed_at')) }} as week_start, versions.team,
        case when changes.changed_through like 'CRM_UI%' or changes.changed_through like 'MOBILE%' then 1 else 0 end as is_typed
    from {{ ref('deal_changes') }} as changes
    inner join {{ ref('deal_versions') }} as versions on changes.deal_key = versions.deal_key and changes.changed_at = versions.valid_from
    where versions.team is not null and changes.field not in ('deal', 'life_state', 'team') and changes.changed_through is not null
),

wins as (
    select {{ week_start('booking_date') }} as week_start, team
    from {{ ref('int_kpi__deals') }} where life_state = 'won' and booking_date is not null and team is not null
),

parts as (
    select week_start, team, owner_key, working_minutes, 0 as micros, 0 as typed_count, 0 as filled_count, 0 as won_count from workdays
    union all
    select week_start, team, cast(null as string), 0, micros, 0, 0, 0 from selling
    union all
    select week_start, team, cast(null as string), 0, 0, is_typed, 1 - is_typed, 0 from edits
    union all
    select week_start, team, cast(null as string), 0, 0, 0, 0, 1 from wins
),

summed as (
    select
        week_start, team, count(distinct owner_key) as seller_count, sum(working_minutes) / 60 as working_hours, sum(micros) / cast(3600000000 as double) as customer_hours,
        sum(typed_count) as typed_count, sum(filled_count) as filled_count, sum(won_count) as won_count
    from (
        select * from parts
        union all
        select week_start, 'all', owner_key, working_minutes, micros, typed_count, filled_count, won_count from parts
    ) as with_all
    group by week_start, team
)

select
    cast(week_start as date) as week_start,
    cast(team as string) as team,
    cast(seller_count as bigint) as seller_count,
    cast(round(working_hours * 1e6) / 1e6 as double) as working_hours,
    cast(round(customer_hours * 1e6) / 1e6 as double) as customer_hours,
    cast(round((customer_hours / nullif(working_hours, 0)) * 1e9) / 1e9 as double) as selling_time_share,
    cast(typed_count as bigint) as typed_edit_count,
    cast(filled_count as bigint) as filled_edit_count,
    cast(typed_count / nullif(cast(typed_count + filled_count as double), 0) as double) as typed_edit_share,
    cast(won_count as bigint) as won_count,
    cast(typed_count / nullif(cast(won_count as double), 0) as double) as typed_edits_per_won_deal
from summed
where week_start > cast({{ as_of_date() }} - interval 364 day as date) and week_start <= {{ as_of_date() }}
