-- grain: one row per lead, field, instant and place at that instant (1 = the vendor's newest), cut by (E, K)
-- '' = was set to empty
with changes as (
    {{ vendor_history(source('hubspot', 'leads_history'), 'lead_id', {'owner_id': 'hubspot_owner_id', 'stage_id': 'hs_pipeline_stage'}) }}
)

select lead_id, field, trim(value) as value, changed_at, position, changed_by, changed_through, is_automatic, known_from
from changes
