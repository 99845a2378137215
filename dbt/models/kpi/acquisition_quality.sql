-- grain: one row per dimension and member that acquired a customer
-- M27: what became of customers twelve months after their first contract began, by what won them: cut dimensions, quartile of the length of the
-- sales cycle (q1 the shortest), whether the deal skipped a stage. Customers younger than twelve months are in customer_count and in the
-- Kaplan-Meier figure alone (running ones censored). A member is associated with its churn, not the cause of it; small ones are shrunk
-- towards the rate of the dimension (S5) and never ranked below 10 (is_rankable).
with standing as (
    select * from {{ ref('int_kpi__customer_spans') }}
),

covered as (
    select
        *, max(to_date) over (
            partition by customer_key order by from_date nulls last, to_date nulls last rows between unbounded preceding and 1 preceding
        ) as covered_until
    from standing
),

-- the first day without a contract: the start of the first hole, else the end of the last one
lapses as (
    select customer_key, min(lapse_date) as lapse_date
    from (
        select customer_key, covered_until as lapse_date from covered where from_date > covered_until
        union all
        select customer_key, max(to_date) from standing group by customer_key
    ) as ends
    group by customer_key
),

cycles as (
    select deals.deal_key, deals.close_days, coalesce(skips.has_skip, false) as has_skip
    from {{ ref('int_kpi__deals') }} as deals
    left join (
        select deal_key, max(case when is_skip then 1 else 0 end) = 1 as has_skip from {{ ref('deal_stage_visits') }} group by deal_key
    ) as skips on deals.deal_key = skips.deal_key
    where deals.life_state = 'won'
),

customers as (
    select
        customers.*, cast(customers.first_date + interval 12 month as date) as anniversary, lapses.lapse_date,
        case when cycles.deal_key is not null then case when cycles.has_skip then 'skipped a stage' else 'skipped none' end end as stages_skipped,
        case when cycles.close_days is not null then 'q' || cast(ntile(4) over (
            partition by case when cycles.close_days is not null then 1 else 0 end order by cycles.close_days nulls last, customers.customer_key nulls last
        ) as string) end as cycle_length_quartile
    from {{ ref('int_kpi__customers') }} as customers
    inner join lapses on customers.customer_key = lapses.customer_key
    left join cycles on customers.deal_key = cycles.deal_key
    where customers.first_date <= {{ as_of_date() }}
),

valued as (
    select
        customers.customer_key,
        sum(case when spans.from_date <= customers.first_date and spans.to_date > customers.first_date then spans.arr else 0 end) as opening,
        sum(case when spans.from_date <= customers.anniversary and spans.to_date > customers.anniversary then spans.arr else 0 end) as closing
    from customers
    inner join standing as spans on customers.customer_key = spans.customer_key
    group by customers.customer_key
),

facts as (
    select
        customers.*, customers.anniversary <= {{ as_of_date() }} as is_matured, valued.opening, valued.closing,
        {{ days_between('customers.first_date', 'least(customers.lapse_date, ' ~ as_of_date() ~ ')') }} as lived_days,
        case when customers.lapse_date <= {{ as_of_date() }} then 1 else 0 end as has_lapsed
    from customers
    inner join valued on customers.customer_key = valued.customer_key
    where valued.opening > 0
),

{%- set carried = ['is_matured', 'opening', 'closing', 'lived_days', 'has_lapsed'] %}
members as (
    select * from {{ cut_members('facts', carried) }} as cut
    {%- for dimension in ['cycle_length_quartile', 'stages_skipped'] %}
    union all
    select '{{ dimension }}', coalesce({{ dimension }}, 'unknown'), coalesce({{ dimension }}, 'unknown'), {{ carried | join(', ') }} from facts
    {%- endfor %}
),

days as (
    select
        dimension, member_key, lived_days, sum(has_lapsed) as lapsed_count,
        sum(count(*)) over (partition by dimension, member_key order by lived_days desc rows between unbounded preceding and current row) as at_risk_count
    from members
    group by dimension, member_key, lived_days
),

curves as (
    select dimension, member_key, min(case when lived_days <= 365 then survival end) as survival
    from (select *, {{ km_survival('lapsed_count', 'at_risk_count', ['dimension', 'member_key'], 'lived_days') }} as survival from days) as estimated
    group by dimension, member_key
),

summed as (
    select
        dimension, member_key, max(member) as member, count(*) as customer_count,
        sum(case when is_matured then 1 else 0 end) as matured_count,
        sum(case when is_matured and closing = 0 then 1 else 0 end) as churned_count,
        sum(case when is_matured then opening else 0 end) as opening_arr,
        sum(case when is_matured then closing else 0 end) as closing_arr,
        sum(case when is_matured then least(opening, closing) else 0 end) as kept_arr
    from members
    group by dimension, member_key
),

strengths as (
    select dimension, rate, strength from {{ prior_strength('summed', ['dimension'], 'churned_count', 'matured_count') }} as priors
)

select
    cast(summed.dimension as string) as dimension,
    cast(summed.member_key as string) as member_key,
    cast(summed.member as string) as member,
    cast(summed.customer_count as bigint) as customer_count,
    cast(summed.matured_count as bigint) as matured_count,
    cast(summed.opening_arr as decimal(18, 2)) as opening_arr,
    cast(summed.kept_arr as decimal(18, 2)) as kept_arr,
    cast(summed.closing_arr as decimal(18, 2)) as closing_arr,
    cast(cast(summed.kept_arr as double) / nullif(cast(summed.opening_arr as double), 0) as double) as grr,
    cast(cast(summed.closing_arr as double) / nullif(cast(summed.opening_arr as double), 0) as double) as nrr,
    cast(summed.churned_count as bigint) as churned_count,
    cast(summed.churned_count / nullif(cast(summed.matured_count as double), 0) as double) as churn_rate,
    cast({{ wilson('summed.churned_count', 'summed.matured_count', -1) }} as double) as churn_rate_low,
    cast({{ wilson('summed.churned_count', 'summed.matured_count', 1) }} as double) as churn_rate_high,
    cast(case
        when summed.matured_count > 0
            then round((summed.churned_count + strengths.rate * strengths.strength) / (summed.matured_count + strengths.strength), 12)
    end as double) as shrunk_churn_rate,
    cast(round(1 - coalesce(curves.survival, 1), 12) as double) as lapse_rate_km,
    cast(summed.matured_count >= 10 as boolean) as is_rankable
from summed
inner join curves on summed.dimension = curves.dimension and summed.member_key = curves.member_key
left join strengths on summed.dimension = strengths.dimension
