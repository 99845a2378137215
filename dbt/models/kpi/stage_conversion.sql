-- grain: one row per period grain, period (of the deal's first entry into the stage), dimension, member, pipeline and stage entered
-- M11, cohort of first entries as of E: a deal has advanced when its furthest stage lies beyond this one or it is won, whatever it
-- skipped; a later regression does not undo it. Deals that got no further are lost here or still in; removed and merged ones leave the
-- cohort and are shown. Second visits are in stage_flow. Owner and team are those at the entry. Renewals and contractions are out.
-- won_value / advanced_count is what a deal that got further was worth: with closed_only_rate and entered_count the size of a leak (S10).
-- M12's time in stage by deal, for entries of fiscal quarters and all: all its visits together (cumulative) and the newest one (latest), medians by
-- Kaplan-Meier, deals that stand in the stage censored at E, days to 0.01; visits of no length are in no duration. A deal whose
-- history starts after the entry is at risk from there on (left truncation, S2); with a visit that was over before that it is in neither.
{%- set keys = ['period_grain', 'period_start', 'dimension', 'member_key', 'visited_pipeline', 'stage'] %}
with stays as (
    select
        deal_key, visited_pipeline, stage, min(case when exited_at is null then 0 else 1 end) as has_left,
        {%- for name in ['stay', 'unseen'] %}
        round(sum({{ name }}_days) * 1e2) / 1e2 as cumulative_{{ name }},
        round(max_by(coalesce({{ name }}_days, 0), visit_number) filter (where stay_days is not null) * 1e2) / 1e2 as latest_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_kpi__stage_visits') }}
    group by deal_key, visited_pipeline, stage
    having min(case when is_seen then 1 else 0 end) = 1
),

entries as (
    select
        *, case
            when life_state in ('removed', 'merged') then life_state
            when life_state = 'won' or furthest_stage_rank > stage_rank then 'advanced'
            when life_state = 'lost' then 'lost'
            else 'still_in'
        end as fate,
        case when life_state = 'won' then amount_base end as won_amount
    from {{ ref('int_kpi__stage_visits') }}
    where stage_rank is not null and place = 1
),

timed as (
    select
        entries.*, stays.has_left, measures.measure,
        {%- for name in ['stay', 'unseen'] %}
        case measures.measure when 'cumulative' then stays.cumulative_{{ name }} else stays.latest_{{ name }} end as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from entries
    inner join stays on entries.deal_key = stays.deal_key and entries.visited_pipeline = stays.visited_pipeline and entries.stage = stays.stage
    cross join {{ text_rows(as_rows(['cumulative', 'latest']), ['measure']) }} as measures
),

moments as (
    select *, stay as day, has_left as ends, 1 as stays, 0 as starts from timed where stay is not null
    union all
    select *, unseen, 0, 0, 1 from timed where stay is not null and unseen > 0
),

-- a cell is a number from here on: tens of millions of lengths of a large company would each carry its seven names
cells as (
    select
        {{ keys | join(', ') }}, measure, row_number() over (order by {{ keys | join(' nulls last, ') }} nulls last, measure nulls last) as cell,
        percentile_disc(0.5) within group (order by case when has_left = 1 then stay else cast(1e12 as double) end) as middle_days,
        coalesce(min(stay) filter (where has_left = 0), cast(1e12 as double)) as first_running_days, count(*) filter (where unseen > 0) as late_count
    from {{ cut('timed', 'entry_date', ['visited_pipeline', 'stage', 'measure', 'stay', 'unseen', 'has_left']) }} as members
    where period_grain in ('quarter', 'all') and stay is not null
    group by {{ keys | join(', ') }}, measure
),

-- no deal came late or still stood there at the middle stay or before: it is the curve's median, and only the other cells need their curve
lengths as (
    select
        cells.cell, cuts.day, count(*) filter (where cuts.ends = 1) as left_count, count(*) filter (where cuts.stays = 1) as stay_count,
        count(*) filter (where cuts.starts = 1) as late_count
    from {{ cut('moments', 'entry_date', ['visited_pipeline', 'stage', 'measure', 'day', 'ends', 'stays', 'starts']) }} as cuts
    inner join cells
        on cuts.period_grain = cells.period_grain and cuts.period_start is not distinct from cells.period_start
        and cuts.dimension = cells.dimension and cuts.member_key = cells.member_key
        and cuts.visited_pipeline = cells.visited_pipeline and cuts.stage = cells.stage and cuts.measure = cells.measure
    where cells.middle_days > cells.first_running_days or cells.late_count > 0
    group by cells.cell, cuts.day
),

curves as (
    select *, {{ km_survival('left_count', ['cell'], 'day') }} as survival
    from {{ risk_sets('lengths', ['cell'], 'day', 'left_count', 'stay_count', 'late_count') }} as at_risk
),

cell_medians as (
    select cell, min(day) filter (where survival <= 0.5) as days from curves group by cell
    union all
    select cell, middle_days from cells where middle_days <= first_running_days and middle_days < 1e12 and late_count = 0
),

medians as (
    select
        {{ keys | join(', ') }},
        {%- for measure in ['cumulative', 'latest'] %}
        max(cell_medians.days) filter (where cells.measure = '{{ measure }}') as {{ measure }}_days_median_km{{ ',' if not loop.last }}
        {%- endfor %}
    from cells
    inner join cell_medians on cells.cell = cell_medians.cell
    group by {{ keys | join(', ') }}
),

counted as (
    select
        period_grain, period_start, dimension, member_key, max(member) as member, visited_pipeline, stage, min(stage_rank) as stage_rank,
        count(*) as entered_count,
        {%- for fate in ['advanced', 'lost', 'still_in', 'removed', 'merged'] %}
        count(*) filter (where fate = '{{ fate }}') as {{ fate }}_count,
        {%- endfor %}
        sum(won_amount) as won_value
    from {{ cut('entries', 'entry_date', ['visited_pipeline', 'stage', 'stage_rank', 'fate', 'won_amount']) }} as members
    group by period_grain, period_start, dimension, member_key, visited_pipeline, stage
),

measured as (
    select counted.*, medians.cumulative_days_median_km, medians.latest_days_median_km
    from counted
    left join medians
        on counted.period_grain = medians.period_grain and counted.period_start is not distinct from medians.period_start
        and counted.dimension = medians.dimension and counted.member_key = medians.member_key
        and counted.visited_pipeline = medians.visited_pipeline and counted.stage = medians.stage
)

select
    {{ cut_columns() }},
    cast(visited_pipeline as string) as pipeline,
    cast(stage as string) as stage,
    cast(stage_rank as bigint) as stage_rank,
    cast(entered_count as bigint) as entered_count,
    cast(advanced_count as bigint) as advanced_count,
    cast(lost_count as bigint) as lost_count,
    cast(still_in_count as bigint) as still_in_count,
    cast(removed_count as bigint) as removed_count,
    cast(merged_count as bigint) as merged_count,
    cast(advanced_count / nullif(cast(advanced_count + lost_count + still_in_count as double), 0) as double) as lower_rate,
    cast((advanced_count + still_in_count) / nullif(cast(advanced_count + lost_count + still_in_count as double), 0) as double) as upper_rate,
    cast(advanced_count / nullif(cast(advanced_count + lost_count as double), 0) as double) as closed_only_rate,
    cast({{ wilson('advanced_count', '(advanced_count + lost_count)', -1) }} as double) as closed_only_rate_low,
    cast({{ wilson('advanced_count', '(advanced_count + lost_count)', 1) }} as double) as closed_only_rate_high,
    cast(coalesce(won_value, 0) as decimal(18, 2)) as won_value,
    cast(cumulative_days_median_km as double) as cumulative_days_median_km,
    cast(latest_days_median_km as double) as latest_days_median_km
from measured
