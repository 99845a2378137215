-- grain: one row per deal pipeline and stage up to (E, K), in its newest version; a stage that was taken away still explains old deals
-- rank orders the open stages of one pipeline
with versions as (
    {{ pipeline_versions(source('hubspot', 'pipelines')) }}
),

stages as (
    {{ pipeline_stages() }}
)

select pipeline_id, pipeline, present_pipeline, stage_id, label, present_label, probability, is_closed, is_vanished, life_state, stage_rank
from stages
