-- grain: one row per call and associated company alive at K, whatever the number of labels
select from_id as call_id, to_id as company_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'calls_companies_links')) }}
) as links
