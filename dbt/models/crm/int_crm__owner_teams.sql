-- grain: one row per source, owner_id, valid_from
{{ crm_union('owner_teams') }}
