{{ config(materialized=intermediate()) }}
-- grain: one row per spreadsheet deal: its seller
select 'spreadsheets:deal:' || deals.deal_id as deal_key, coalesce(by_email.owner_key, by_name.owner_key) as owner_key
from {{ ref('stg_spreadsheets__deals') }} as deals
left join {{ ref('int_pipeline__sheet_owners') }} as by_email on deals.owner_email = by_email.spelling
left join {{ ref('int_pipeline__sheet_owners') }} as by_name on lower(deals.owner) = by_name.spelling
