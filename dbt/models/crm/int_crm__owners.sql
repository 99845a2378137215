-- grain: one row per source, owner_id
{{ crm_union('owners') }}
