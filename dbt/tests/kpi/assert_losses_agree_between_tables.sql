{{ config(meta={'dagster': {'ref': {'name': 'loss_analysis'}}}) }}
-- stages and reasons split the losses of win_rate: counts and values add up, shares of a stage stay within its exits
with split as (
    select
        period_grain, period_start, dimension, member_key, sum(lost_count) as lost_count, sum(lost_value) as lost_value,
        max(exit_share) as exit_share, min(lost_count) as fewest, max(lost_count - stage_exit_count) as beyond_exits
    from {{ ref('loss_analysis') }}
    group by period_grain, period_start, dimension, member_key
),

rates as (
    select period_grain, period_start, dimension, member_key, lost_count, lost_value from {{ ref('win_rate') }} where lost_count > 0
)

select
    coalesce(rates.period_grain, split.period_grain) as period_grain, coalesce(rates.period_start, split.period_start) as period_start,
    coalesce(rates.dimension, split.dimension) as dimension, coalesce(rates.member_key, split.member_key) as member_key,
    rates.lost_count as rate_count, split.lost_count as split_count, rates.lost_value as rate_value, split.lost_value as split_value
from rates
full join split
    on rates.period_grain = split.period_grain and rates.dimension = split.dimension and rates.member_key = split.member_key
    and coalesce(rates.period_start, cast('1900-01-01' as date)) = coalesce(split.period_start, cast('1900-01-01' as date))
where rates.lost_count is distinct from split.lost_count or rates.lost_value is distinct from split.lost_value
    or split.exit_share > 1 or split.fewest < 1 or split.beyond_exits > 0
