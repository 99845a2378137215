-- grain: one row per deal and product: of its line items, or the one that its sheet names; a deal without either has no row
-- amount_share is by contract value over the term; lines without a value, and credits, weigh nothing, and where no line has any value the products
-- share alike. Shares of a deal sum to 1. The primary product, which deals bear as their product, is the largest; of equal ones the first by name.
with products as (
    select
        lines.deal_key, coalesce(lines.product, 'unknown') as product,
        sum(greatest(coalesce(lines.contract_value, 0), 0)) as contract_value
    from {{ ref('int_pipeline__deal_lines') }} as lines
    inner join {{ ref('int_crm__deals') }} as deals on lines.deal_key = deals.source || ':deal:' || deals.deal_id
    group by lines.deal_key, coalesce(lines.product, 'unknown')
    union all
    select 'spreadsheets:deal:' || deal_id, product, 1
    from {{ ref('stg_spreadsheets__deals') }}
    where product is not null
),

placed as (
    select
        *, cast(sum(contract_value) over (partition by deal_key) as double) as deal_value, count(*) over (partition by deal_key) as product_count,
        row_number() over (partition by deal_key order by contract_value desc, product nulls last) as place
    from products
)

select
    cast(deal_key as string) as deal_key,
    cast(product as string) as product,
    cast(case when deal_value > 0 then cast(contract_value as double) / deal_value else cast(1 as double) / product_count end as double) as amount_share,
    cast(place = 1 as boolean) as is_primary
from placed
