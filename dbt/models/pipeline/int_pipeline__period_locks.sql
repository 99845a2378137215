{{ config(materialized=intermediate()) }}
-- grain: one row per period grain and period that is locked as of E: lock_date is the fourth business day after it, in the company's calendar
with days as (
    select date, is_working_day, working_day_number, week_start, month_start, fiscal_quarter_start
    from {{ ref('calendar') }}
    where country = '{{ var("company_country") }}'
),

periods as (
    {%- for grain, column in {'week': 'week_start', 'month': 'month_start', 'quarter': 'fiscal_quarter_start'}.items() %}
    select '{{ grain }}' as period_grain, {{ column }} as period_start, max(working_day_number) as last_working_day_number
    from days group by {{ column }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select periods.period_grain, periods.period_start, days.date as lock_date
from periods
inner join days on days.is_working_day and days.working_day_number = periods.last_working_day_number + 4
where days.date < {{ as_of_date() }}
