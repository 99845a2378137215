-- I11: hours, edits and wins of the teams sum to everyone's, each week
with sums as (
    select
        week_start, case when team = 'all' then 1 else 0 end as is_all, round(sum(working_hours) * 1e3) / 1e3 as working_hours,
        round(sum(customer_hours) * 1e3) / 1e3 as customer_hours,
        sum(typed_edit_count + filled_edit_count) as edit_count, sum(won_count) as won_count
    from {{ ref('selling_time') }} group by week_start, case when team = 'all' then 1 else 0 end
)

select teams.week_start
from sums as teams
inner join sums as everyone on teams.week_start = everyone.week_start and everyone.is_all = 1
where
    teams.is_all = 0 and (
        abs(teams.working_hours - everyone.working_hours) > 0.01 or abs(teams.customer_hours - everyone.customer_hours) > 0.01
        or teams.edit_count <> everyone.edit_count or teams.won_count <> everyone.won_count
    )
