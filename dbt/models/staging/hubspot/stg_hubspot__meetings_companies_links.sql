-- grain: one row per meeting and associated company alive at K, whatever the number of labels
select from_id as meeting_id, to_id as company_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'meetings_companies_links')) }}
) as links
