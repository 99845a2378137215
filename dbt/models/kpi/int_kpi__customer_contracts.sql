{{ config(materialized=intermediate()) }}
-- grain: one row per contract that retention may count; stop_date is the first day on which it no longer runs (9999-12-31: it runs on)
-- A customer with one contract that cannot be valued (no yearly value, a negative one, no rate) or that ends before it starts is out whole:
-- half of its contracts would look like a contraction. data_quality_issues lists it.
with valued as (
    select
        *, coalesce(cast(end_date + interval 1 day as date), cast('9999-12-31' as date)) as stop_date,
        min(case when arr_base is null or arr_base < 0 or end_date < start_date then 0 else 1 end) over (partition by customer_key) as is_usable
    from {{ ref('contracts') }}
)

select contract_key, customer_key, deal_key, start_date, stop_date, arr_base
from valued
where is_usable = 1
