-- grain: one row per period grain, period (of the deal's first entry into the stage), dimension, member, pipeline and stage entered
-- M11, cohort of first entries as of E: a deal has advanced when its furthest stage lies beyond this one or it is won, whatever it
-- skipped; a later regression does not undo it. Deals that got no further are lost here or still in; removed and merged ones leave the
-- cohort and are shown. Second visits are in stage_flow. Owner and team are those at the entry. Renewals and contractions are out.
-- won_value / advanced_count is what a deal that got further was worth: with closed_only_rate and entered_count the size of a leak (S10).
with entries as (
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
    cast(coalesce(won_value, 0) as decimal(18, 2)) as won_value
from counted
