{{ config(meta={'dagster': {'ref': {'name': 'yield'}}}) }}
-- I14: value yield = count yield x amount realisation x mean created size of won / mean created size of all
select period_grain, period_start, dimension, member_key, value_yield, count_yield, amount_realisation, size_mix
from {{ ref('yield') }}
where abs(value_yield - count_yield * amount_realisation * size_mix) > 1e-9
    or (open_value >= 0 and created_value > 0 and value_yield > value_yield_upper)
