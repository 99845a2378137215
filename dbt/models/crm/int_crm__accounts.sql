-- grain: one row per source
{{ crm_union('accounts') }}
