{{ config(materialized=intermediate()) }}
-- grain: one row per customer and day on which contracts of it no longer run (stop_date, the day after their last one)
-- M26: nobody links a contract to the one that renews it, so a renewal is read from the customer's yearly value: what ended is renewed on time as
-- far as the customer pays on stop_date no less than at the lowest of the days before, back to 61. So a new contract may have begun up to 60 days
-- early, be of another size, or follow several old ones, and counts once; one for another product that began in these days counts too. Never
-- further back than the ended contract itself runs: none renews itself. What is back 60 days later is late, what may still come pending, the
-- rest has lapsed. A line that only changes the yearly value ends a contract and renews it.
with changes as (
    select customer_key, start_date as from_date, arr_base as delta from {{ ref('int_kpi__customer_contracts') }}
    union all
    select customer_key, stop_date, -arr_base from {{ ref('int_kpi__customer_contracts') }} where stop_date < cast('9999-12-31' as date)
),

levels as (
    select
        customer_key, from_date, lead(from_date, 1, cast('9999-12-31' as date)) over (partition by customer_key order by from_date nulls last) as to_date,
        sum(sum(delta)) over (partition by customer_key order by from_date nulls last rows between unbounded preceding and current row) as arr
    from changes
    group by customer_key, from_date
),

due as (
    select
        customer_key, stop_date, sum(arr_base) as due_arr, cast(stop_date + interval 60 day as date) as last_date,
        greatest(max(start_date), cast(stop_date - interval 61 day as date)) as first_date
    from {{ ref('int_kpi__customer_contracts') }}
    where stop_date <= {{ as_of_date() }}
    group by customer_key, stop_date
    having sum(arr_base) > 0
),

compared as (
    select
        due.customer_key, due.stop_date, due.due_arr, due.last_date,
        min(case when levels.from_date < due.stop_date and levels.to_date > due.first_date then levels.arr end) as before_arr,
        max(case when levels.from_date <= due.stop_date and levels.to_date > due.stop_date then levels.arr end) as arr,
        max(case when levels.from_date <= due.last_date and levels.to_date > due.last_date then levels.arr end) as later_arr
    from due
    inner join levels on due.customer_key = levels.customer_key and levels.from_date <= due.last_date and levels.to_date > due.first_date
    group by due.customer_key, due.stop_date, due.due_arr, due.last_date
),

judged as (
    select
        *, least(due_arr, greatest(before_arr - arr, 0)) as missing_arr,
        least(due_arr, greatest(before_arr - arr, 0), greatest(later_arr - arr, 0)) as late_arr
    from compared
)

select
    customer_key, stop_date, {{ month_start('cast(stop_date - interval 1 day as date)') }} as month, due_arr, due_arr - missing_arr as on_time_arr, late_arr,
    case when last_date >= {{ as_of_date() }} then missing_arr - late_arr else 0 end as pending_arr,
    case when last_date >= {{ as_of_date() }} then 0 else missing_arr - late_arr end as lapsed_arr
from judged
