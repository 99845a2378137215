{{ config(meta={'dagster': {'ref': {'name': 'stages'}}}) }}
-- each entry of exclude_pipelines names exactly one pipeline, in each CRM that has one of that name
select excluded.pipeline, stages.source, count(distinct stages.pipeline_id) as pipeline_count
from {{ text_rows(as_rows(var('exclude_pipelines')), ['pipeline']) }} as excluded
left join {{ ref('stages') }} as stages on stages.pipeline_id = excluded.pipeline or stages.present_pipeline = excluded.pipeline
group by excluded.pipeline, stages.source
having count(distinct stages.pipeline_id) <> 1
