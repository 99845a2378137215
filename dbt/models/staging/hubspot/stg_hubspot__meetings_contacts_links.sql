-- grain: one row per meeting and associated contact alive at K, whatever the number of labels
select from_id as meeting_id, to_id as contact_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'meetings_contacts_links')) }}
) as links
