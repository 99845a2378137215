-- grain: one row per source, deal_id, version_at, landed_at, payload_hash
{{ crm_union('deals_landed') }}
