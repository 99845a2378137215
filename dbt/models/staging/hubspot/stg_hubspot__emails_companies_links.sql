-- grain: one row per email and associated company alive at K, whatever the number of labels
select from_id as email_id, to_id as company_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'emails_companies_links')) }}
) as links
