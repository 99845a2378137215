-- grain: one row per email and associated contact alive at K, whatever the number of labels
select from_id as email_id, to_id as contact_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'emails_contacts_links')) }}
) as links
