-- grain: one row per company, field, instant and place at that instant (1 = the vendor's newest), cut by (E, K)
-- '' = was set to empty
with changes as (
    {{ vendor_history(source('hubspot', 'companies_history'), 'company_id', {'industry': 'industry', 'employees': 'numberofemployees'}) }}
)

select company_id, field, value, changed_at, position, changed_by, changed_through, is_automatic, known_from
from changes
