{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'deals'}}}) }}
-- an amount without a rate is in no sum, one at a rate of more than five days ago is in a doubtful one: said, and published all the same
select
    currency, case when amount_base is null then 'no rate' else 'rate older than five days' end as problem, count(*) as deal_count, min(deal_id) as example
from {{ ref('deals') }}
where not is_excluded and (amount is not null and amount_base is null or is_rate_stale)
group by currency, case when amount_base is null then 'no rate' else 'rate older than five days' end
