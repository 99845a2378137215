-- grain: one row per period grain, period (of booking date), dimension and member with a decided deal
-- M08, period basis: of the accepted deals decided in the period, the share won. Renewals and contractions, removed and merged
-- deals are out; a reopened deal counts with its last outcome; amounts missing in company currency count, and add no value. M09, by value:
-- amounts when the deals were closed, at the plan rate, always beside the count; one large deal decides it, so its share stands there too,
-- and for fiscal quarters and all the interval of resampled deals (S4); a week or a month of one member has too few to resample.
{%- set keys = ['period_grain', 'period_start', 'dimension', 'member_key'] %}
with decided as (
    select
        *, case when life_state = 'won' then closed_amount_plan else closed_amount_plan * 0 end as won_amount_plan,
        {{ bootstrap_lot('deal_key') }} as lot
    from {{ ref('int_kpi__deals') }}
    where is_rate_deal and life_state in ('won', 'lost')
),

counted as (
    select
        period_grain, period_start, dimension, member_key, member,
        count(*) filter (where life_state = 'won') as won_count,
        count(*) filter (where life_state = 'lost') as lost_count,
        count(*) as decided_count,
        sum(amount_base) filter (where life_state = 'won') as won_value,
        sum(amount_base) filter (where life_state = 'lost') as lost_value,
        sum(closed_amount_plan) filter (where life_state = 'won') as won_value_at_close,
        sum(closed_amount_plan) filter (where life_state = 'lost') as lost_value_at_close,
        max(closed_amount_plan) as largest_value,
        {{ median_of('booking_age_days', "life_state = 'lost'") }} as loss_age_median_days,
        count(*) filter (where amount_base is null) as missing_amount_count
    from {{ cut('decided', 'booking_date', ['life_state', 'amount_base', 'closed_amount_plan', 'booking_age_days']) }} as members
    group by period_grain, period_start, dimension, member_key, member
),

long_periods as (
    select *
    from {{ cut('decided', 'booking_date', ['lot', 'won_amount_plan', 'closed_amount_plan']) }} as members
    where period_grain in ('quarter', 'all')
),

intervals as (
    select * from {{ bootstrap_ratio('long_periods', keys, 'lot', 'won_amount_plan', 'closed_amount_plan') }} as bootstrapped
),

measured as (
    select counted.*, intervals.low, intervals.high
    from counted
    left join intervals
        on counted.period_grain = intervals.period_grain and counted.dimension = intervals.dimension and counted.member_key = intervals.member_key
        and coalesce(counted.period_start, cast('1900-01-01' as date)) = coalesce(intervals.period_start, cast('1900-01-01' as date))
)

select
    {{ cut_columns() }},
    cast(won_count as bigint) as won_count,
    cast(lost_count as bigint) as lost_count,
    cast(decided_count as bigint) as decided_count,
    cast(won_count / nullif(cast(decided_count as double), 0) as double) as win_rate,
    cast({{ wilson('won_count', 'decided_count', -1) }} as double) as win_rate_low,
    cast({{ wilson('won_count', 'decided_count', 1) }} as double) as win_rate_high,
    cast(coalesce(won_value, 0) as decimal(18, 2)) as won_value,
    cast(coalesce(lost_value, 0) as decimal(18, 2)) as lost_value,
    cast(coalesce(won_value_at_close, 0) as decimal(18, 2)) as won_value_at_close,
    cast(coalesce(lost_value_at_close, 0) as decimal(18, 2)) as lost_value_at_close,
    cast(cast(coalesce(won_value_at_close, 0) as double) / nullif(cast(coalesce(won_value_at_close, 0) + coalesce(lost_value_at_close, 0) as double), 0) as double)
        as win_rate_by_value,
    cast(low as double) as win_rate_by_value_low,
    cast(high as double) as win_rate_by_value_high,
    cast(cast(largest_value as double) / nullif(cast(coalesce(won_value_at_close, 0) + coalesce(lost_value_at_close, 0) as double), 0) as double)
        as largest_deal_share,
    cast(loss_age_median_days as double) as loss_age_median_days,
    cast(missing_amount_count as bigint) as missing_amount_count
from measured
