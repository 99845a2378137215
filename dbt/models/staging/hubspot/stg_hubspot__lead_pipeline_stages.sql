-- grain: one row per lead pipeline and stage up to (E, K), in its newest version; a stage that was taken away still explains old leads
-- rank orders the open stages of one pipeline
with versions as (
    {{ pipeline_versions(source('hubspot', 'lead_pipelines')) }}
),

stages as (
    {{ pipeline_stages() }}
)

select pipeline_id, pipeline, stage_id, label, probability, is_closed, is_vanished, life_state, stage_rank
from stages
