-- grain: one row per source, deal_id
{{ crm_union('deals') }}
