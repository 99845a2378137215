-- grain: one row per deal and associated contact alive at K, whatever the number of labels
select from_id as deal_id, to_id as contact_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'deals_contacts_links')) }}
) as links
