-- grain: one row per whole week up to E, from the first day of the calendar on
-- What a week is beside its figures: its working days, its place in the fiscal quarter, its month (of its Thursday), and how much the sources said
-- of deals, leads and activities in it: a week in which they fell silent says nothing of selling.
with days as (
    select date, week_start, fiscal_quarter_start, is_working_day
    from {{ ref('calendar') }}
    where country = '{{ var("company_country") }}' and cast(week_start + interval 7 day as date) <= {{ as_of_date() }}
),

spoken as (
    select {{ local_date('changed_at') }} as date, 'deals' as topic from {{ ref('deal_changes') }}
    union all
    select created_date, 'leads' from {{ ref('leads') }}
    union all
    select {{ local_date('occurred_at') }}, 'activities' from {{ ref('activities') }}
),

by_day as (
    select date, topic, count(*) as fact_count from spoken group by date, topic
),

weeks as (
    select
        week_start, count(*) as day_count, sum(case when is_working_day then 1 else 0 end) as working_days,
        max(case when {{ iso_weekday('date') }} = 4 then date end) as thursday,
        max(case when {{ iso_weekday('date') }} = 4 then fiscal_quarter_start end) as quarter_start
    from days
    group by week_start
)

select
    weeks.week_start,
    cast(weeks.working_days as bigint) as working_days,
    cast(floor({{ days_between('weeks.quarter_start', 'weeks.thursday') }} / 7) as bigint) as week_of_quarter,
    cast(extract(month from weeks.thursday) - 1 as bigint) as month_number,
    {%- for topic in ['deals', 'leads', 'activities'] %}
    cast(coalesce(sum(case when by_day.topic = '{{ topic }}' then by_day.fact_count end), 0) as bigint) as {{ topic }}_said,
    cast(weeks.working_days - count(case when by_day.topic = '{{ topic }}' and days.is_working_day then 1 end) as bigint) as {{ topic }}_silent_days{{ ',' if not loop.last }}
    {%- endfor %}
from weeks
inner join days on weeks.week_start = days.week_start
left join by_day on days.date = by_day.date
where weeks.day_count = 7
group by weeks.week_start, weeks.working_days, weeks.quarter_start, weeks.thursday
