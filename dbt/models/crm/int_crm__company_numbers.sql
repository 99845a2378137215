-- grain: one row per source, company record with an organisation number
{{ crm_union('company_numbers') }}
