{{ config(materialized='ephemeral') }}
-- grain: period (of sao_at) x dimension member x day since acceptance on which a deal of the cohort was won, lost or is still open
-- S2: survival is Kaplan-Meier for any close, open deals censored after the closes of the same day; the cumulative incidences are
-- Aalen-Johansen, win and loss competing, so survival + cif_win + cif_loss = 1. Deals without a duration stand in one row of
-- day NULL: they are in the counts and in no curve.
with subjects as (
    select
        sao_date, sao_owner_key as owner_key, sao_owner as owner, sao_team as team, source, pipeline, order_type, product, segment, industry, country,
        deal_size_band,
        close_days as day,
        case when life_state = 'won' then 1 else 0 end as is_won,
        case when life_state = 'lost' then 1 else 0 end as is_lost,
        case when life_state = 'open' then 1 else 0 end as is_open
    from {{ ref('int_kpi__deals') }}
    where is_rate_deal
),

days as (
    select
        period_grain, period_start, dimension, member_key, member, day,
        sum(is_won) as won_count, sum(is_lost) as lost_count, sum(is_open) as open_count
    from {{ cut('subjects', 'sao_date', ['day', 'is_won', 'is_lost', 'is_open']) }} as members
    group by period_grain, period_start, dimension, member_key, member, day
),

at_risk as (
    select
        days.*,
        sum(won_count + lost_count + open_count) over (
            partition by period_grain, period_start, dimension, member_key order by day desc nulls last
            rows between unbounded preceding and current row
        ) as at_risk_count
    from days
),

survived as (
    select
        at_risk.*,
        case
            when day is not null
                then {{ km_survival('won_count + lost_count', 'at_risk_count', ['period_grain', 'period_start', 'dimension', 'member_key'], 'day') }}
        end as survival
    from at_risk
),

stepped as (
    select
        survived.*,
        lag(survival, 1, cast(1 as double)) over (
            partition by period_grain, period_start, dimension, member_key order by day nulls last
        ) as survival_before
    from survived
)

select
    period_grain, period_start, dimension, member_key, member, day,
    won_count, lost_count, open_count, at_risk_count, survival_before, survival,
    case when day is not null then round(sum(survival_before * won_count / nullif(at_risk_count, 0)) over (
        partition by period_grain, period_start, dimension, member_key order by day nulls last
        rows between unbounded preceding and current row
    ), 12) end as cif_win,
    case when day is not null then round(sum(survival_before * lost_count / nullif(at_risk_count, 0)) over (
        partition by period_grain, period_start, dimension, member_key order by day nulls last
        rows between unbounded preceding and current row
    ), 12) end as cif_loss
from stepped
