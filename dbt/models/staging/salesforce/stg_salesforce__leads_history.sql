-- grain: one row per lead, field, instant and place at that instant (1 = the newest), cut by (E, K)
{{ sf_history('leads', 'lead_id', [('owner_id', 'Owner', 'OwnerId', 'owner', none), ('stage_id', 'Status', 'Status', 'text', none)], always=true) }}
