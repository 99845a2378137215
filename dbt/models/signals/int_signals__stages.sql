-- grain: one row per source, pipeline, stage and week in which deals entered it
-- A stage that begins or ends to be used is a change of the process, not of selling.
select
    split_part(deal_key, ':', 1) as source, pipeline_id, stage_id, max(stage) as stage, {{ week_start(local_date('entered_at')) }} as week_start,
    cast(count(*) as bigint) as entry_count
from {{ ref('deal_stage_visits') }}
where entered_at is not null and stage_id is not null
group by split_part(deal_key, ':', 1), pipeline_id, stage_id, {{ week_start(local_date('entered_at')) }}
