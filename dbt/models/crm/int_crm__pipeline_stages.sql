-- grain: one row per source, pipeline_id, stage_id
{{ crm_union('pipeline_stages') }}
