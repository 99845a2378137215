-- grain: one row per source, line_item_id
{{ crm_union('line_items') }}
