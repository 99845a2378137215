{{ config(materialized=intermediate()) }}
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
)

select
    period_grain, period_start, dimension, member_key, member, day,
    won_count, lost_count, open_count, at_risk_count, survival_before, survival, cif_win, cif_loss
from {{ competing_risks('days', ['period_grain', 'period_start', 'dimension', 'member_key']) }} as curves
