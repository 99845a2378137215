-- grain: one row per source, contact_id
{{ crm_union('contacts') }}
