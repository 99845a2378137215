-- grain: one row per note and associated contact alive at K, whatever the number of labels
select from_id as note_id, to_id as contact_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'notes_contacts_links')) }}
) as links
