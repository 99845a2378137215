-- grain: one row per pipeline and stage, newest version as of (E, K), else the oldest known; a stage that was taken away still explains old deals
-- The vendor's stages are all open: won and lost are a status of the deal, and a stage of each pipeline here, <pipeline>-won and <pipeline>-lost.
with pipelines as (
    {{ pd_typed('pipelines', ['name']) }}
),

stages as (
    {{ pd_typed('stages', ['name', 'pipeline_id', 'order_nr']) }}
),

present as (
    select object, record_id, max_by(name, place) filter (where name is not null) as name
    from (
        {%- for object in ['pipelines', 'stages'] %}
        select
            '{{ object }}' as object, record_id, {{ json_text('payload', 'name') }} as name,
            row_number() over (partition by record_id order by version_at nulls last, landed_at nulls last, payload_hash nulls last) as place
        from {{ source('pipedrive', object) }} where {{ known('landed_at') }}
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as landed
    group by object, record_id
),

listed as (
    select
        stages.r.pipeline_id as pipeline_id, stages.record_id as stage_id, stages.r.name as label, present.name as present_label, 'open' as life_state,
        stages.deletion is not null as is_vanished, row_number() over (
            partition by stages.r.pipeline_id order by try_cast(stages.r.order_nr as bigint) nulls last, lpad(stages.record_id, 20, '0') nulls last
        ) as stage_rank
    from stages
    left join present on stages.record_id = present.record_id and present.object = 'stages'
    {%- for state, label in [('won', 'Won'), ('lost', 'Lost')] %}
    union all
    select record_id, record_id || '-{{ state }}', '{{ label }}', '{{ label }}', '{{ state }}', false, cast(null as bigint) from pipelines
    {%- endfor %}
)

select
    listed.pipeline_id, pipelines.r.name as pipeline, present.name as present_pipeline, listed.stage_id, listed.label, listed.present_label, listed.life_state,
    listed.is_vanished or pipelines.deletion is not null as is_vanished, listed.stage_rank
from listed
inner join pipelines on listed.pipeline_id = pipelines.record_id
left join present on listed.pipeline_id = present.record_id and present.object = 'pipelines'
