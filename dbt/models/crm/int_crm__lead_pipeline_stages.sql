-- grain: one row per source, pipeline_id, stage_id
{{ crm_union('lead_pipeline_stages') }}
