-- grain: one row per task and associated contact alive at K, whatever the number of labels
select from_id as task_id, to_id as contact_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'tasks_contacts_links')) }}
) as links
