-- grain: one row per meeting and associated deal alive at K, whatever the number of labels
select from_id as meeting_id, to_id as deal_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'meetings_deals_links')) }}
) as links
