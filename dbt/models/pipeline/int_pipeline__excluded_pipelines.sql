{{ config(materialized=intermediate()) }}
-- grain: one row per source and pipeline that the configuration takes out, by its id or by the name that it has today
select distinct stages.source, stages.pipeline_id
from {{ ref('stages') }} as stages
inner join {{ text_rows(as_rows(var('exclude_pipelines')), ['pipeline']) }} as excluded
    on stages.pipeline_id = excluded.pipeline or stages.present_pipeline = excluded.pipeline
