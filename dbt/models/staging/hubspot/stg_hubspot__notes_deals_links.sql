-- grain: one row per note and associated deal alive at K, whatever the number of labels
select from_id as note_id, to_id as deal_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'notes_deals_links')) }}
) as links
