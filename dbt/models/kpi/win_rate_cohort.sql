-- grain: one row per period grain, period (of the local day of acceptance), dimension and member with an accepted deal
-- M10: of the deals accepted in the period, how many have been won, and how many still can be, as of E. Open deals are never dropped;
-- removed and merged deals leave the denominator and are shown (I07: accepted = won + lost + open + removed + merged).
with cohorts as (
    select
        sao_date, sao_owner_key as owner_key, sao_owner as owner, sao_team as team, source, pipeline, order_type, product, segment, industry, country,
        deal_size_band, life_state
    from {{ ref('int_kpi__deals') }}
    where is_cohort_deal
),

counted as (
    select
        period_grain, period_start, dimension, member_key, max(member) as member,
        count(*) as accepted_count,
        {%- for state in ['won', 'lost', 'open', 'removed', 'merged'] %}
        count(*) filter (where life_state = '{{ state }}') as {{ state }}_count{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ cut('cohorts', 'sao_date', ['life_state']) }} as members
    group by period_grain, period_start, dimension, member_key
)

select
    {{ cut_columns() }},
    cast(accepted_count as bigint) as accepted_count,
    cast(won_count as bigint) as won_count,
    cast(lost_count as bigint) as lost_count,
    cast(open_count as bigint) as open_count,
    cast(removed_count as bigint) as removed_count,
    cast(merged_count as bigint) as merged_count,
    cast(won_count / nullif(cast(won_count + lost_count + open_count as double), 0) as double) as lower_rate,
    cast((won_count + open_count) / nullif(cast(won_count + lost_count + open_count as double), 0) as double) as upper_rate,
    cast(won_count / nullif(cast(won_count + lost_count as double), 0) as double) as closed_only_rate,
    cast({{ wilson('won_count', '(won_count + lost_count)', -1) }} as double) as closed_only_rate_low,
    cast({{ wilson('won_count', '(won_count + lost_count)', 1) }} as double) as closed_only_rate_high,
    cast((won_count + lost_count) / nullif(cast(won_count + lost_count + open_count as double), 0) as double) as resolved_share
from counted
