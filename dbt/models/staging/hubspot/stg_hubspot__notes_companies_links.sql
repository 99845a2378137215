-- grain: one row per note and associated company alive at K, whatever the number of labels
select from_id as note_id, to_id as company_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', 'notes_companies_links')) }}
) as links
