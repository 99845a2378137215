{{ config(materialized=intermediate()) }}
-- grain: one row per period grain (week, month), period of the last 24 months and close window: the fiscal quarter in which the period
-- begins, the next one, and all close dates; to_date and window_end are exclusive
with periods as (
    select distinct 'week' as period_grain, week_start as from_date, cast(week_start + interval 7 day as date) as to_date
    from {{ ref('calendar') }}
    where country = '{{ var("company_country") }}' and date <= {{ as_of_date() }} and week_start >= cast({{ as_of_date() }} - interval 24 month as date)
    union
    select distinct 'month', month_start, cast(month_start + interval 1 month as date)
    from {{ ref('calendar') }}
    where country = '{{ var("company_country") }}' and date <= {{ as_of_date() }} and month_start >= cast({{ as_of_date() }} - interval 24 month as date)
),

quarters as (
    select *, {{ fiscal_quarter_start('from_date') }} as quarter_start from periods
)

select period_grain, from_date, to_date, 'current_quarter' as close_window, quarter_start as window_start, cast(quarter_start + interval 3 month as date) as window_end
from quarters
union all
select period_grain, from_date, to_date, 'next_quarter', cast(quarter_start + interval 3 month as date), cast(quarter_start + interval 6 month as date)
from quarters
union all
select period_grain, from_date, to_date, 'all', cast(null as date), cast(null as date)
from quarters
