-- grain: one row per source, company_id
{{ crm_union('companies') }}
