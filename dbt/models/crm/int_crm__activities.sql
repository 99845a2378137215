-- grain: one row per source, activity_type, activity_id
{{ crm_union('activities') }}
