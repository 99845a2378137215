-- grain: one row per finished month, dimension and member with a customer at its end or twelve months before, or a contract that ended in it
-- M26 over a rolling window of twelve months: customers with a yearly value at the end of the month a year ago (opening) against the end of
-- this month (closing). GRR = sum of the smaller of both / opening, NRR = what the same customers pay now / opening, per customer and never
-- per product. New customers enter neither. A customer belongs to what acquired it (its first contract), so that parts sum to the company.
-- A pause of at most 60 days is no churn; late_arr is the closing value of customers whose contract ended in the last 60 days, unrenewed:
-- is_provisional while there is any, or a renewal pending. On-time renewal rate: of the yearly value whose contracts ended in the month, what was
-- renewed by the day after.
{%- set measures = ['opening', 'closing', 'late_arr', 'due', 'on_time', 'renewed_late', 'pending', 'due_count'] %}
with summed as (
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
        sum(due) as due, sum(on_time) as on_time, sum(renewed_late) as renewed_late, sum(pending) as pending, sum(due_count) as due_count,
        sum(case when opening > 0 then 1 else 0 end) as customer_count,
        sum(case when opening > 0 and closing = 0 then 1 else 0 end) as churned_count,
        sum(case when opening = 0 and closing > 0 then 1 else 0 end) as new_count
    from {{ cut_members(ref('int_kpi__customer_years'), ['month'] + measures, more=['employees_band']) }} as members
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
    cast(due_count as bigint) as due_count,
    cast(due as decimal(18, 2)) as due_arr,
    cast(on_time as decimal(18, 2)) as renewed_on_time_arr,
    cast(renewed_late as decimal(18, 2)) as renewed_late_arr,
    cast(pending as decimal(18, 2)) as pending_renewal_arr,
    cast(due - on_time - renewed_late - pending as decimal(18, 2)) as lapsed_arr,
    cast(cast(on_time as double) / nullif(cast(due as double), 0) as double) as on_time_renewal_rate,
    cast(late_arr > 0 or pending > 0 as boolean) as is_provisional
from summed
