{{ config(meta={'dagster': {'ref': {'name': 'bookings'}}}) }}
-- the same wins: win_rate = sales_cycle everywhere; contract_value = bookings everywhere; win_rate = bookings per period and order
-- type, where the order type is one that win rates cover (a win without any date is in no period and never accepted)
with wins as (
    select 'win_rate' as table_name, period_grain, period_start, dimension, member_key, won_count, won_value from {{ ref('win_rate') }} where won_count > 0
    union all
    select 'sales_cycle', period_grain, period_start, dimension, member_key, won_count, null from {{ ref('sales_cycle') }} where won_count > 0
    union all
    select 'contract_value', period_grain, period_start, dimension, member_key, won_count, null from {{ ref('contract_value') }}
    union all
    select 'bookings', period_grain, period_start, dimension, member_key, won_count, won_value from {{ ref('bookings') }}
),

compared as (
    select
        period_grain, period_start, dimension, member_key,
        {%- for table in ['win_rate', 'sales_cycle', 'contract_value', 'bookings'] %}
        coalesce(max(won_count) filter (where table_name = '{{ table }}'), 0) as {{ table }}_count,
        coalesce(max(won_value) filter (where table_name = '{{ table }}'), 0) as {{ table }}_value{{ ',' if not loop.last }}
        {%- endfor %}
    from wins
    group by period_grain, period_start, dimension, member_key
)

select *
from compared
where win_rate_count <> sales_cycle_count or contract_value_count <> bookings_count or win_rate_count > bookings_count
    or (
        dimension = 'order_type' and member_key not in ('renewal', 'contraction') and period_grain <> 'all'
        and (win_rate_count <> bookings_count or win_rate_value <> bookings_value)
    )
