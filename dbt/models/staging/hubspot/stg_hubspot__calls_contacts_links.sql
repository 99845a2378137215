-- grain: one row per call and associated contact alive at K, whatever the number of labels
select from_id as call_id, to_id as contact_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'calls_contacts_links')) }}
) as links
