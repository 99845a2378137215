-- grain: one row per source, deal_id, field, changed_at, position
{{ crm_union('deals_history') }}
