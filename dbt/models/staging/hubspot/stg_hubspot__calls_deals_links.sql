-- grain: one row per call and associated deal alive at K, whatever the number of labels
select from_id as call_id, to_id as deal_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'calls_deals_links')) }}
) as links
