-- grain: one row: the portal's zone and currency, the company's where account information was not given
select portal_id, zone, currency, ui_domain
from {{ portal() }} as portal
