-- grain: one row per period grain, period (of booking date), dimension and member with a decided deal
-- M13a: days from acceptance to the booking date (to the closing day where the booking date is backdated), of won deals, and
-- of won and lost ones. "Won only" shortens when growth brings young deals: read sales_cycle_cohort beside it.
-- A deal without a date, or closed before it was accepted, is in won_count and out of the durations.
with decided as (
    select *
    from {{ ref('int_kpi__deals') }}
    where is_rate_deal and life_state in ('won', 'lost')
),

measured as (
    select
        period_grain, period_start, dimension, member_key, member,
        count(*) filter (where life_state = 'won') as won_count,
        avg(cast(close_days as double)) filter (where life_state = 'won') as won_days_mean,
        {{ median_of('close_days', "life_state = 'won'") }} as won_days_median,
        avg(cast(created_close_days as double)) filter (where life_state = 'won') as won_days_from_created_mean,
        {{ median_of('created_close_days', "life_state = 'won'") }} as won_days_from_created_median,
        avg(cast(close_days as double)) as closed_days_mean,
        {{ median_of('close_days', 'true') }} as closed_days_median
    from {{ cut('decided', 'booking_date', ['life_state', 'close_days', 'created_close_days']) }} as members
    group by period_grain, period_start, dimension, member_key, member
)

select
    {{ cut_columns() }},
    cast(won_count as bigint) as won_count,
    cast(won_days_mean as double) as won_days_mean,
    cast(won_days_median as double) as won_days_median,
    cast(won_days_from_created_mean as double) as won_days_from_created_mean,
    cast(won_days_from_created_median as double) as won_days_from_created_median,
    cast(closed_days_mean as double) as closed_days_mean,
    cast(closed_days_median as double) as closed_days_median
from measured
