-- grain: one row per period grain, period (of the local day of acceptance), dimension and member with an accepted deal
-- M13b-d of one cohort as of E: open deals are censored, never dropped; removed and merged deals leave the cohort; loss competes
-- with win. The team and owner are those at acceptance.
-- Restricted means are the area under the curve up to the horizon: horizon - sum of drops x days left; null where the cohort
-- has not been followed that far and somebody was still open at the last day seen, or where histories start so late that the curve is not known.
with cohorts as (
    select
        period_grain, period_start, dimension, member_key, member,
        sum(won_count + lost_count + open_count) as accepted_count,
        sum(open_count) as censored_count,
        min(day) filter (where survival <= 0.5) as close_days_median_km,
        min(day) filter (where cif_win >= 0.25) as win_days_p25_cif,
        max(case when survival is not null then day end) as followed_days,
        min(survival) as survival_at_end,
        {%- for horizon in [90, 180] %}
        coalesce(sum((survival_before - survival) * ({{ horizon }} - day)) filter (where day < {{ horizon }}), 0) as lost_area_{{ horizon }},
        {%- endfor %}
        count(survival) as observed_count
    from {{ ref('int_kpi__survival') }}
    group by period_grain, period_start, dimension, member_key, member
)

select
    {{ cut_columns() }},
    cast(accepted_count as bigint) as accepted_count,
    cast(censored_count as bigint) as censored_count,
    cast(close_days_median_km as double) as close_days_median_km,
    cast(win_days_p25_cif as double) as win_days_p25_cif,
    {%- for horizon in [90, 180] %}
    cast(case
        when observed_count > 0 and (followed_days >= {{ horizon }} or survival_at_end = 0) then round(({{ horizon }} - lost_area_{{ horizon }}) * 1e9) / 1e9
    end as double) as rmst_{{ horizon }}_days{{ ',' if not loop.last }}
    {%- endfor %}
from cohorts
