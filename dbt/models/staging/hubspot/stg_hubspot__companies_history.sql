-- grain: one row per company, property, instant and place at that instant (1 = the vendor's newest), cut by (E, K)
-- '' = was set to empty
with changes as (
    {{ vendor_history(source('hubspot', 'companies_history'), 'company_id') }}
)

select company_id, property, value, changed_at, source_type, changed_by, known_from, position
from changes
