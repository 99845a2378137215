-- grain: one row per task and associated deal alive at K, whatever the number of labels
select from_id as task_id, to_id as deal_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'tasks_deals_links')) }}
) as links
