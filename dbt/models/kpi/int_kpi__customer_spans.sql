{{ config(materialized=intermediate()) }}
-- grain: one row per customer and interval [from_date, to_date) with a yearly value; overlapping rows of a customer add up
-- Contracts, and what bridges them: a pause of at most 60 days between two contracts is no churn, and neither is an end of at most 60 days
-- ago (is_late: it may still be renewed). A bridge carries the value of the last day before it.
with contracts as (
    select
        *, max(stop_date) over (
            partition by customer_key order by start_date nulls last, stop_date nulls last, contract_key nulls last
            rows between unbounded preceding and 1 preceding
        ) as covered_until
    from {{ ref('int_kpi__customer_contracts') }}
),

bridges as (
    select customer_key, covered_until as from_date, min(start_date) as to_date, false as is_late
    from contracts
    where start_date > covered_until and {{ days_between('covered_until', 'start_date') }} <= 60
    group by customer_key, covered_until
    union all
    select customer_key, max(stop_date), cast(max(stop_date) + interval 61 day as date), true
    from contracts
    group by customer_key
    having max(stop_date) <= {{ as_of_date() }} and {{ days_between('max(stop_date)', as_of_date()) }} <= 60
)

select customer_key, start_date as from_date, stop_date as to_date, arr_base as arr, false as is_late from contracts
union all
select bridges.customer_key, bridges.from_date, bridges.to_date, sum(contracts.arr_base), bridges.is_late
from bridges
inner join contracts on bridges.customer_key = contracts.customer_key and bridges.from_date = contracts.stop_date
group by bridges.customer_key, bridges.from_date, bridges.to_date, bridges.is_late
