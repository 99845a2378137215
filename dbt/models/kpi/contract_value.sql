-- grain: one row per period grain, period (of booking date), dimension and member with a won deal
-- M02: a typical year of contract, over won deals of every order type. acv comes from line items with a term; a won deal
-- without one is out of acv_* and counted in excluded_count. Means follow one large deal: the median stands beside them.
with won as (
    select *
    from {{ ref('int_kpi__deals') }}
    where life_state = 'won'
),

valued as (
    select
        period_grain, period_start, dimension, member_key, member,
        count(*) as won_count,
        sum(acv) / nullif(cast(count(acv) as double), 0) as acv_mean,
        {{ median_of('acv', 'true') }} as acv_median,
        count(*) filter (where acv is null) as excluded_count,
        sum(amount_base) / nullif(cast(count(amount_base) as double), 0) as won_value_mean,
        {{ median_of('amount_base', 'true') }} as won_value_median
    from {{ cut('won', 'booking_date', ['acv', 'amount_base']) }} as members
    group by period_grain, period_start, dimension, member_key, member
)

select
    {{ cut_columns() }},
    cast(won_count as bigint) as won_count,
    {{ to_money('acv_mean') }} as acv_mean,
    {{ to_money('acv_median') }} as acv_median,
    cast(excluded_count as bigint) as excluded_count,
    {{ to_money('won_value_mean') }} as won_value_mean,
    {{ to_money('won_value_median') }} as won_value_median
from valued
