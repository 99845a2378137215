-- grain: one row per source, object, record_id, field, value, problem
{{ crm_union('problems') }}
