{{ config(meta={'dagster': {'ref': {'name': 'stages'}}}) }}
-- each entry of exclude_pipelines names exactly one pipeline
select excluded.pipeline, count(distinct stages.pipeline_id) as pipeline_count
from {{ text_rows(as_rows(var('exclude_pipelines')), ['pipeline']) }} as excluded
left join {{ ref('stages') }} as stages on stages.pipeline_id = excluded.pipeline or stages.present_pipeline = excluded.pipeline
group by excluded.pipeline
having count(distinct stages.pipeline_id) <> 1
