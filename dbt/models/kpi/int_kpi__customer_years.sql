{{ config(materialized=intermediate()) }}
-- grain: one row per customer and finished month with a yearly value at its end or twelve months before, or a contract that ended in it
-- M26: opening is the yearly value at the end of the month a year ago, closing that at the end of this month, late_arr the part of it whose
-- contract ended in the last 60 days, unrenewed; due and what became of it are of the contracts that ended in the month.
{%- set measures = ['opening', 'closing', 'late_arr', 'due', 'on_time', 'renewed_late', 'pending', 'due_count'] %}
with months as (
    select month_start as month, max(date) as last_date
    from {{ ref('calendar') }}
    where country = '{{ var("company_country") }}'
    group by month_start
    having max(date) < {{ as_of_date() }}
),

standing as (
    select spans.customer_key, months.month, sum(spans.arr) as arr, sum(case when spans.is_late then spans.arr else 0 end) as late_arr
    from {{ ref('int_kpi__customer_spans') }} as spans
    inner join months on spans.from_date <= months.last_date and spans.to_date > months.last_date
    group by spans.customer_key, months.month
),

sides as (
    select
        customer_key, month, cast(0 as decimal(18, 2)) as opening, arr as closing, late_arr, cast(0 as decimal(18, 2)) as due, cast(0 as decimal(18, 2)) as on_time,
        cast(0 as decimal(18, 2)) as renewed_late, cast(0 as decimal(18, 2)) as pending, 0 as due_count
    from standing
    union all
    select customer_key, cast(month + interval 12 month as date), arr, 0, 0, 0, 0, 0, 0, 0 from standing
    union all
    select customer_key, month, 0, 0, 0, due_arr, on_time_arr, late_arr, pending_arr, 1 from {{ ref('int_kpi__renewals') }}
),

yearly as (
    select
        sides.customer_key, sides.month,
        {%- for measure in measures %}
        sum(sides.{{ measure }}) as {{ measure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from sides
    inner join months on sides.month = months.month
    group by sides.customer_key, sides.month
)

select
    customers.*, yearly.month,
    {%- for measure in measures %}
    yearly.{{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
from yearly
inner join {{ ref('int_kpi__customers') }} as customers on yearly.customer_key = customers.customer_key
where yearly.opening > 0 or yearly.closing > 0 or yearly.due > 0
