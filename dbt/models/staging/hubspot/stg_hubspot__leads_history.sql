-- grain: one row per lead, property, instant and place at that instant (1 = the vendor's newest), cut by (E, K)
-- '' = was set to empty
with changes as (
    {{ vendor_history(source('hubspot', 'leads_history'), 'lead_id') }}
)

select lead_id, property, value, changed_at, source_type, changed_by, known_from, position
from changes
