{{ config(meta={'dagster': {'ref': {'name': 'win_rate'}}}) }}
-- weeks, months and quarters hold the same deals: their sums are equal, and equal to `all` less what has no date
with counted as (
    select 'win_rate' as table_name, period_grain, dimension, member_key, decided_count as figure, won_value + lost_value as amount from {{ ref('win_rate') }}
    union all
    select 'bookings', period_grain, dimension, member_key, won_count, won_value from {{ ref('bookings') }}
    union all
    select 'contract_value', period_grain, dimension, member_key, won_count, 0 from {{ ref('contract_value') }}
    union all
    select 'sales_cycle', period_grain, dimension, member_key, won_count, 0 from {{ ref('sales_cycle') }}
    union all
    select 'sales_cycle_cohort', period_grain, dimension, member_key, accepted_count, 0 from {{ ref('sales_cycle_cohort') }}
    union all
    select 'loss_analysis', period_grain, dimension, member_key, lost_count, lost_value from {{ ref('loss_analysis') }}
),

sums as (
    select
        table_name, dimension, member_key,
        {%- for grain in cut_grains() %}
        sum(case when period_grain = '{{ grain }}' then figure else 0 end) as {{ grain }}_count,
        sum(case when period_grain = '{{ grain }}' then amount else 0 end) as {{ grain }}_value{{ ',' if not loop.last }}
        {%- endfor %}
    from counted
    group by table_name, dimension, member_key
)

select *
from sums
where week_count <> month_count or month_count <> quarter_count or quarter_count > all_count
    or week_value <> month_value or month_value <> quarter_value or (quarter_count = all_count and quarter_value <> all_value)
