-- grain: one row per source, from_object, from_id, to_object, to_id
{{ crm_union('links') }}
