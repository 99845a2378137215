-- grain: one row per source, pipeline and stage, open or closed; what sales ops gave in stage_map wins over the CRM
-- configuration names pipelines and stages as they are called today (present_*), whatever day the marts show; a phase of stage_map, which is dated,
-- wins over one of [company.stage_phases]
{%- set phases = [] %}
{%- for pipeline, stages in var('stage_phases').items() %}{% for stage, phase in stages.items() %}{% do phases.append([pipeline, stage, phase]) %}{% endfor %}{% endfor %}
-- a stage of a sheet has no order of its own: its rank comes from stage_map or stays unknown
with given as (
    select source, pipeline_id, nullif(trim(stage_id), '') as stage_id, nullif(trim(label), '') as label, stage_rank, phase, is_sales
    from (
        select
            source, pipeline_id, coalesce(stage_id, '') as stage_id, label, cast(rank as bigint) as stage_rank, nullif(trim(phase), '') as phase, is_sales,
            row_number() over (partition by source, pipeline_id, coalesce(stage_id, '') order by coalesce(valid_from, cast('1900-01-01' as date)) desc) as choice
        from {{ ref('stage_map') }} where coalesce(valid_from, cast('1900-01-01' as date)) <= {{ as_of_date() }}
    ) as dated where choice = 1
),

listed as (
    select source, pipeline_id, pipeline, present_pipeline, stage_id, label as stage, present_label, life_state, stage_rank
    from {{ ref('int_crm__pipeline_stages') }}
    union all
    select 'spreadsheets', pipeline_id, min(pipeline), min(pipeline), stage_id, min(stage), min(stage), min(life_state), cast(null as bigint)
    from (
        select coalesce(lower(pipeline), 'default') as pipeline_id, coalesce(pipeline, 'default') as pipeline, lower(stage) as stage_id, stage, life_state
        from {{ ref('stg_spreadsheets__deals') }} where stage is not null
    ) as spelt
    group by pipeline_id, stage_id
),

named as (
    select
        listed.source, listed.pipeline_id, listed.pipeline, listed.present_pipeline, listed.stage_id, coalesce(by_stage.label, listed.stage) as stage,
        coalesce(by_stage.label, listed.present_label) as present_stage, listed.life_state,
        case when listed.life_state = 'open' then coalesce(by_stage.stage_rank, listed.stage_rank) end as stage_rank, by_stage.phase,
        coalesce(by_stage.is_sales, by_pipeline.is_sales, true) as is_sales, by_stage.source is null as is_derived
    from listed
    left join given as by_stage
        on listed.source = by_stage.source and listed.pipeline_id = by_stage.pipeline_id and listed.stage_id = by_stage.stage_id
    left join given as by_pipeline
        on listed.source = by_pipeline.source and listed.pipeline_id = by_pipeline.pipeline_id and by_pipeline.stage_id is null
),

qualified as (
    select named.source, named.pipeline_id, min(named.stage_rank) as qualified_rank
    from named
    inner join {{ text_rows(var('qualified_stage').items() | list, ['pipeline', 'stage']) }} as chosen
        on (named.pipeline_id = chosen.pipeline or named.present_pipeline = chosen.pipeline)
        and (named.stage_id = chosen.stage or named.present_stage = chosen.stage)
    where named.life_state = 'open'
    group by named.source, named.pipeline_id
),

placed as (
    select named.source, named.pipeline_id, named.stage_id, min(chosen.phase) as phase
    from named
    inner join {{ text_rows(phases, ['pipeline', 'stage', 'phase']) }} as chosen
        on (named.pipeline_id = chosen.pipeline or named.present_pipeline = chosen.pipeline)
        and (named.stage_id = chosen.stage or named.present_stage = chosen.stage)
    where named.life_state = 'open'
    group by named.source, named.pipeline_id, named.stage_id
)

select
    cast(named.source as string) as source,
    cast(named.pipeline_id as string) as pipeline_id,
    cast(named.pipeline as string) as pipeline,
    cast(named.stage_id as string) as stage_id,
    cast(named.stage as string) as stage,
    cast(named.life_state as string) as life_state,
    cast(named.stage_rank as bigint) as stage_rank,
    cast(case
        when named.life_state <> 'open' then named.life_state
        when coalesce(named.phase, placed.phase) is not null then coalesce(named.phase, placed.phase)
        when named.stage_rank < coalesce(qualified.qualified_rank, 1) then 'early'
        else 'qualified'
    end as string) as phase,
    cast(named.is_sales as boolean) as is_sales,
    cast(coalesce(qualified.qualified_rank, 1) as bigint) as qualified_rank,
    cast(named.is_derived and placed.phase is null as boolean) as is_derived,
    cast(count(*) over (partition by named.source, named.stage_id) = 1 as boolean) as is_unique_stage_id,
    cast(named.present_pipeline as string) as present_pipeline,
    cast(named.present_stage as string) as present_stage
from named
left join qualified on named.source = qualified.source and named.pipeline_id = qualified.pipeline_id
left join placed on named.source = placed.source and named.pipeline_id = placed.pipeline_id and named.stage_id = placed.stage_id
