-- grain: one row per email and associated deal alive at K, whatever the number of labels
select from_id as email_id, to_id as deal_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'emails_deals_links')) }}
) as links
