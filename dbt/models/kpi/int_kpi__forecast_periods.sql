{{ config(materialized='table', schema='forecasts', database=('warehouse' if target.type == 'duckdb' else none)) }}
-- grain: one row per fiscal quarter that has begun, from the calendar's first day
select
    cast(quarter_start as date) as period_start,
    cast(quarter_start + interval 3 month as date) as period_end,
    cast({{ as_of_date() }} as date) as as_of_date
from (
    select distinct {{ fiscal_quarter_start('date') }} as quarter_start
    from {{ date_spine("'" ~ var('calendar_start') ~ "'", as_of_date()) }} as spine
) as quarters
