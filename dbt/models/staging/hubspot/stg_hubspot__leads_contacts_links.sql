-- grain: one row per lead and associated contact alive at K, whatever the number of labels
select from_id as lead_id, to_id as contact_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'leads_contacts_links')) }}
) as links
