-- grain: one row per finished month, dimension and member with a customer at its end or twelve months before
-- M26 over a rolling window of twelve months: customers with a yearly value at the end of the month a year ago (opening) against the end of
-- this month (closing). GRR = sum of the smaller of both / opening, NRR = what the same customers pay now / opening, per customer and never
-- per product. New customers enter neither. A customer belongs to what acquired it (its first contract), so that parts sum to the company.
-- A pause of at most 60 days is no churn; late_arr is the closing value of customers whose contract ended in the last 60 days, unrenewed:
-- is_provisional while there is any.
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
    select customer_key, month, cast(0 as decimal(18, 2)) as opening, arr as closing, late_arr from standing
    union all
    select customer_key, cast(month + interval 12 month as date), arr, 0, 0 from standing
),

yearly as (
    select sides.customer_key, sides.month, sum(sides.opening) as opening, sum(sides.closing) as closing, sum(sides.late_arr) as late_arr
    from sides
    inner join months on sides.month = months.month
    group by sides.customer_key, sides.month
),

facts as (
    select customers.*, yearly.month, yearly.opening, yearly.closing, yearly.late_arr
    from yearly
    inner join {{ ref('int_kpi__customers') }} as customers on yearly.customer_key = customers.customer_key
    where yearly.opening > 0 or yearly.closing > 0
),

summed as (
    select
        month, dimension, member_key, max(member) as member,
        sum(opening) as opening_arr,
        sum(case when opening > 0 then greatest(closing - opening, 0) else 0 end) as expansion,
        sum(case when opening > 0 and closing > 0 then greatest(opening - closing, 0) else 0 end) as contraction,
        sum(case when closing = 0 then opening else 0 end) as churn,
        sum(case when opening = 0 then closing else 0 end) as new_arr,
        sum(closing) as closing_arr,
        sum(least(opening, closing)) as kept_arr,
        sum(late_arr) as late_arr,
        sum(case when opening > 0 then 1 else 0 end) as customer_count,
        sum(case when opening > 0 and closing = 0 then 1 else 0 end) as churned_count,
        sum(case when opening = 0 then 1 else 0 end) as new_count
    from {{ cut_members('facts', ['month', 'opening', 'closing', 'late_arr']) }} as members
    group by month, dimension, member_key
)

select
    cast(month as date) as month,
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(member as string) as member,
    cast(opening_arr as decimal(18, 2)) as opening_arr,
    cast(expansion as decimal(18, 2)) as expansion,
    cast(contraction as decimal(18, 2)) as contraction,
    cast(churn as decimal(18, 2)) as churn,
    cast(new_arr as decimal(18, 2)) as new_arr,
    cast(closing_arr as decimal(18, 2)) as closing_arr,
    cast(cast(kept_arr as double) / nullif(cast(opening_arr as double), 0) as double) as grr,
    cast(cast(kept_arr + expansion as double) / nullif(cast(opening_arr as double), 0) as double) as nrr,
    cast(customer_count as bigint) as customer_count,
    cast(churned_count as bigint) as churned_count,
    cast(new_count as bigint) as new_count,
    cast(churned_count / nullif(cast(customer_count as double), 0) as double) as logo_churn_rate,
    cast({{ wilson('churned_count', 'customer_count', -1) }} as double) as logo_churn_low,
    cast({{ wilson('churned_count', 'customer_count', 1) }} as double) as logo_churn_high,
    cast(late_arr as decimal(18, 2)) as late_arr,
    cast(late_arr > 0 as boolean) as is_provisional
from summed
