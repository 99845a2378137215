-- grain: one row per lead and associated deal alive at K, whatever the number of labels
select from_id as lead_id, to_id as deal_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'leads_deals_links')) }}
) as links
