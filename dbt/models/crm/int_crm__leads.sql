-- grain: one row per source, lead_id
{{ crm_union('leads') }}
