-- grain: one row per task and associated company alive at K, whatever the number of labels
select from_id as task_id, to_id as company_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'tasks_companies_links')) }}
) as links
