-- grain: one row per source, field
{{ crm_union('fields') }}
