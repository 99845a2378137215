-- grain: one row per deal and associated company alive at K, whatever the number of labels
select from_id as deal_id, to_id as company_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'deals_companies_links')) }}
) as links
