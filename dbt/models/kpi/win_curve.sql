-- grain: one row per dimension, member, cohort (fiscal quarter of acceptance; NULL = all) and day since acceptance on which a deal of
-- the cohort was won or lost, or an open one was last seen
-- S2 as of E: loss competes with win, open deals are censored: survival + cif_win + cif_loss = 1 on every day (I09). cif_win is the
-- chance to be won by that day; 1 - survival is the chance to be decided. A deal whose history starts late is at risk from that day on; where that
-- leaves nobody at risk the curve is NULL (int_kpi__survival).
with curves as (
    select
        *,
        {{ greenwood_variance('won_count + lost_count', ['period_grain', 'period_start', 'dimension', 'member_key'], 'day') }} as variance
    from {{ ref('int_kpi__survival') }}
    where period_grain in ('quarter', 'all') and day is not null
)

select
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(member as string) as member,
    cast(period_start as date) as cohort_start,
    cast(day as bigint) as day,
    cast(at_risk_count as bigint) as at_risk_count,
    cast(won_count as bigint) as won_count,
    cast(lost_count as bigint) as lost_count,
    cast(open_count as bigint) as censored_count,
    cast(survival as double) as survival,
    cast({{ greenwood('survival', 'variance', 1) }} as double) as survival_low,
    cast({{ greenwood('survival', 'variance', -1) }} as double) as survival_high,
    cast(cif_win as double) as cif_win,
    cast(cif_loss as double) as cif_loss
from curves
