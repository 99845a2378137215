-- grain: one row per source, company_id, field, changed_at, position
{{ crm_union('companies_history') }}
