-- grain: one row per contact and associated company alive at K, whatever the number of labels
select from_id as contact_id, to_id as company_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'contacts_companies_links')) }}
) as links
