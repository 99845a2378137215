-- each link leads to a contact, a company or a deal: exactly one
select link_key
from {{ ref('activity_links') }}
where case when contact_key is null then 0 else 1 end + case when company_key is null then 0 else 1 end + case when deal_key is null then 0 else 1 end <> 1
