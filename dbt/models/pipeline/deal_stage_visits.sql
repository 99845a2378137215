-- grain: one row per deal and visit of an open stage: a maximal interval in one stage of one pipeline
-- a stage that was overtaken at the very instant it was entered is a visit of no length: in the flow, not in durations
with versions as (
    select
        deal_key, valid_from, valid_to, life_state, pipeline, pipeline_id, stage, stage_id, stage_rank,
        case when life_state = 'open' then concat_ws('|', coalesce(pipeline_id, ''), coalesce(stage_id, '')) else life_state end as place
    from {{ ref('deal_versions') }}
),

overtaken as (
    select points.deal_key, points.changed_at as entered_at, points.place as overtaken, stages.pipeline, stages.pipeline_id, stages.stage, stages.stage_id, stages.stage_rank
    from {{ ref('int_pipeline__deal_points') }} as points
    inner join versions
        on points.deal_key = versions.deal_key and points.changed_at >= versions.valid_from
        and (points.changed_at < versions.valid_to or versions.valid_to is null) and versions.life_state not in ('removed', 'merged')
    inner join {{ ref('stages') }} as stages
        on split_part(points.deal_key, ':', 1) = stages.source and versions.pipeline_id = stages.pipeline_id and points.value = stages.stage_id
    where points.field = 'stage_id' and points.place > 1 and points.value <> '' and points.value <> coalesce(versions.stage_id, '') and stages.life_state = 'open'
),

-- a deal that left its stage and came back in one instant has two visits of it, though its interval is one
starts as (
    select deal_key, starts_at, max(is_return) as is_return
    from (
        select deal_key, valid_from as starts_at, 0 as is_return from versions
        union all
        select deal_key, entered_at, 1 from overtaken
    ) as instants
    group by deal_key, starts_at
),

pieces as (
    select
        starts.deal_key, starts.starts_at as valid_from, lead(starts.starts_at) over (partition by starts.deal_key order by starts.starts_at nulls last) as valid_to,
        starts.is_return, versions.life_state, versions.pipeline, versions.pipeline_id, versions.stage, versions.stage_id, versions.stage_rank, versions.place
    from starts
    inner join versions
        on starts.deal_key = versions.deal_key and starts.starts_at >= versions.valid_from and (starts.starts_at < versions.valid_to or versions.valid_to is null)
),

marked as (
    select *, sum(is_new) over (partition by deal_key order by valid_from nulls last rows between unbounded preceding and current row) as island
    from (
        select *, case when is_return = 0 and place = lag(place) over (partition by deal_key order by valid_from nulls last) then 0 else 1 end as is_new from pieces
    ) as compared
),

islands as (
    select
        deal_key, min(valid_from) as entered_at, case when count(*) = count(valid_to) then max(valid_to) end as exited_at, cast(0 as bigint) as overtaken,
        min(place) as place, min(life_state) as life_state, min(pipeline) as pipeline, min(pipeline_id) as pipeline_id, min(stage) as stage, min(stage_id) as stage_id,
        min(stage_rank) as stage_rank
    from marked
    group by deal_key, island
),

steps as (
    select deal_key, entered_at, exited_at, overtaken, place, life_state, pipeline, pipeline_id, stage, stage_id, stage_rank from islands
    union all
    select
        deal_key, entered_at, entered_at as exited_at, overtaken, concat_ws('|', coalesce(pipeline_id, ''), stage_id), 'open', pipeline, pipeline_id, stage, stage_id, stage_rank
    from overtaken
),

neighbours as (
    select
        *,
        {%- for column in ['life_state', 'pipeline_id', 'stage_rank', 'place'] %}
        lag({{ column }}) over (partition by deal_key order by entered_at nulls last, overtaken desc) as {{ column }}_before,
        lead({{ column }}) over (partition by deal_key order by entered_at nulls last, overtaken desc) as {{ column }}_after,
        {%- endfor %}
        row_number() over (partition by deal_key order by entered_at nulls last, overtaken desc) as step
    from steps
),

qualified as (
    select neighbours.deal_key, min(neighbours.step) as step
    from neighbours
    inner join {{ ref('stages') }} as stages
        on split_part(neighbours.deal_key, ':', 1) = stages.source and neighbours.pipeline_id = stages.pipeline_id and neighbours.stage_id = stages.stage_id
    where neighbours.life_state = 'open' and stages.stage_rank >= stages.qualified_rank
    group by neighbours.deal_key
),

visits as (
    select
        neighbours.*,
        case
            when neighbours.life_state_before is null then 'created_here'
            when neighbours.life_state_before in ('removed', 'merged') then 'restored'
            when neighbours.life_state_before in ('won', 'lost') then 'reopened'
            when coalesce(neighbours.pipeline_id, '') <> coalesce(neighbours.pipeline_id_before, '') then 'pipeline_in'
            when neighbours.stage_rank < neighbours.stage_rank_before then 'regression'
            when neighbours.stage_rank > neighbours.stage_rank_before + 1 then 'skipped_in'
            else 'forward'
        end as entry_kind,
        case
            when neighbours.life_state_after is null then cast(null as string)
            when neighbours.life_state_after = 'lost' and split_part(neighbours.deal_key, ':', 1) <> 'spreadsheets'
                and (qualified.step is null or qualified.step > neighbours.step) then 'disqualified'
            when neighbours.life_state_after <> 'open' then neighbours.life_state_after
            when coalesce(neighbours.pipeline_id, '') <> coalesce(neighbours.pipeline_id_after, '') then 'pipeline_out'
            when neighbours.stage_rank_after < neighbours.stage_rank then 'regressed'
            when neighbours.stage_rank_after > neighbours.stage_rank + 1 then 'skipped_ahead'
            else 'advanced'
        end as exit_kind
    from neighbours
    left join qualified on neighbours.deal_key = qualified.deal_key
    where neighbours.life_state = 'open'
)

select
    cast(deal_key as string) as deal_key,
    cast(row_number() over (partition by deal_key order by step nulls last) as bigint) as visit_number,
    cast(pipeline as string) as pipeline,
    cast(pipeline_id as string) as pipeline_id,
    cast(stage as string) as stage,
    cast(stage_id as string) as stage_id,
    cast(stage_rank as bigint) as stage_rank,
    entered_at,
    exited_at,
    cast(case when exited_at > entered_at then {{ elapsed_days('entered_at', 'exited_at') }} end as double) as days,
    cast(entry_kind as string) as entry_kind,
    cast(exit_kind as string) as exit_kind,
    cast(entry_kind = 'skipped_in' as boolean) as is_skip,
    cast(entry_kind = 'regression' as boolean) as is_regression,
    cast(row_number() over (partition by deal_key, place order by step nulls last) > 1 as boolean) as is_reentry
from visits
