-- grain: one row per source, contact_id, field, changed_at, position
{{ crm_union('contacts_history') }}
