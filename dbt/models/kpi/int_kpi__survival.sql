{{ config(materialized=intermediate()) }}
-- grain: period (of sao_at) x dimension member x day since acceptance on which a deal of the cohort was won, lost or is still open
-- S2: survival is Kaplan-Meier for any close, open deals censored after the closes of the same day; the cumulative incidences are
-- Aalen-Johansen, win and loss competing, so survival + cif_win + cif_loss = 1. Deals without a duration, and those that nobody has
-- watched while open, stand in one row of day NULL: they are in the counts and in no curve.
-- A deal whose history starts late is at risk from the day on which it starts (left truncation: int_kpi__deals.entry_days). Where nobody was
-- at risk, on day 0 or later, the curve from there on is NULL: it would hold only for deals that had already stayed open so long.
with subjects as (
    select
        sao_date, sao_owner_key as owner_key, sao_owner as owner, sao_team as team, source, pipeline, order_type, product, segment, industry, country,
        deal_size_band,
        followed_days, entry_days,
        case when life_state = 'won' then 1 else 0 end as is_won,
        case when life_state = 'lost' then 1 else 0 end as is_lost,
        case when life_state = 'open' then 1 else 0 end as is_open
    from {{ ref('int_kpi__deals') }}
    where is_rate_deal
),

moments as (
    select *, followed_days as day, 0 as is_late from subjects
    union all
    select *, entry_days as day, 1 as is_late from subjects where followed_days is not null and entry_days > 0
),

days as (
    select
        period_grain, period_start, dimension, member_key, member, day, sum(is_late) as late_count,
        {%- for state in ['won', 'lost', 'open'] %}
        sum(case when is_late = 0 then is_{{ state }} else 0 end) as {{ state }}_count{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ cut('moments', 'sao_date', ['day', 'is_late', 'is_won', 'is_lost', 'is_open']) }} as members
    group by period_grain, period_start, dimension, member_key, member, day
)

select
    period_grain, period_start, dimension, member_key, member, day,
    won_count, lost_count, open_count, case when day is not null then at_risk_count end as at_risk_count,
    case when survival is not null then survival_before end as survival_before, survival, cif_win, cif_loss
from {{ competing_risks('days', ['period_grain', 'period_start', 'dimension', 'member_key']) }} as curves
