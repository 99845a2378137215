{{ config(materialized=intermediate()) }}
-- grain: one row per source and pipeline that is no sales pipeline or is taken out by the configuration: out of every stock and flow
select distinct source, pipeline_id from {{ ref('stages') }} where not is_sales
union
select source, pipeline_id from {{ ref('int_pipeline__excluded_pipelines') }}
