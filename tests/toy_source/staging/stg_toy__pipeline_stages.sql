-- grain: one row per stage, newest version as of (E, K); the CRM has one pipeline
with stages as (
    {{ newest_records(source('toy', 'stages'), json_struct('body.payload', {'name': 'VARCHAR', 'place': 'BIGINT', 'ends': 'VARCHAR'})) }}
)

select
    'default' as pipeline_id, 'Sales' as pipeline, 'Sales' as present_pipeline, record_id as stage_id, p.name as label, p.name as present_label,
    coalesce(p.ends, 'open') as life_state, deletion is not null as is_vanished, case when p.ends is null then p.place end as stage_rank
from stages
