-- grain: one row per deal and associated line item alive at K, whatever the number of labels
select from_id as deal_id, to_id as line_item_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'deals_line_items_links')) }}
) as links
