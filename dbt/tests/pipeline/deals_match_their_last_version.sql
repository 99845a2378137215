{{ config(meta={'dagster': {'ref': {'name': 'deals'}}}) }}
-- no number in two places: a deal is its current interval
select deals.deal_key
from {{ ref('deals') }} as deals
full outer join (select * from {{ ref('deal_versions') }} where valid_to is null) as present on deals.deal_key = present.deal_key
where deals.deal_key is null or present.deal_key is null or deals.life_state <> present.life_state or coalesce(deals.stage_id, '') <> coalesce(present.stage_id, '')
    or coalesce(deals.amount, -1) <> coalesce(present.amount, -1) or coalesce(deals.currency, '') <> coalesce(present.currency, '')
