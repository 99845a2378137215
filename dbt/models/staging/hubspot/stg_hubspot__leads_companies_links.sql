-- grain: one row per lead and associated company alive at K, whatever the number of labels
select from_id as lead_id, to_id as company_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'leads_companies_links')) }}
) as links
