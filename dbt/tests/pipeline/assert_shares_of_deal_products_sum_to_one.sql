{{ config(meta={'dagster': {'ref': {'name': 'deal_products'}}}) }}
-- the products of a deal share it whole, one of them is primary, and that one is the deal's product
select products.deal_key
from {{ ref('deal_products') }} as products
inner join {{ ref('deals') }} as deals on products.deal_key = deals.deal_key
group by products.deal_key
having
    abs(sum(products.amount_share) - 1) > 1e-9 or min(products.amount_share) < 0 or sum(case when products.is_primary then 1 else 0 end) <> 1
    or max(case when products.is_primary then products.product end) <> max(coalesce(deals.product, ''))
union all
select deals.deal_key
from {{ ref('deals') }} as deals
left join {{ ref('deal_products') }} as products on deals.deal_key = products.deal_key
where products.deal_key is null and deals.product is not null
