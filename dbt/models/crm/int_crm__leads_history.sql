-- grain: one row per source, lead_id, field, changed_at, position
{{ crm_union('leads_history') }}
