{{ config(materialized=intermediate()) }}
-- grain: one row per customer whose first contract has begun and was worth something: what won it, and what became of it
-- opening and closing: yearly value on the first day and twelve months later (is_matured: that day has come). lived_days: from the first day to
-- the first day without a contract (has_lapsed), else to the as-of day; a pause of at most 60 days is none. cycle_length_quartile: q1 the shortest.
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
)

select
    customers.*, customers.anniversary <= {{ as_of_date() }} as is_matured, valued.opening, valued.closing,
    {{ days_between('customers.first_date', 'least(customers.lapse_date, ' ~ as_of_date() ~ ')') }} as lived_days,
    case when customers.lapse_date <= {{ as_of_date() }} then 1 else 0 end as has_lapsed
from customers
inner join valued on customers.customer_key = valued.customer_key
where valued.opening > 0
