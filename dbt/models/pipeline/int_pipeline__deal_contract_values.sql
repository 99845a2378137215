{{ config(materialized='ephemeral') }}
-- grain: one row per HubSpot deal with line items: contract value of a year (kpis.md M02) and the largest product
-- recurring lines only; a term under twelve months is not annualised; one recurring line without a term leaves the deal without a value
with lines as (
    select
        links.deal_id, items.name, items.amount, items.billing_frequency is not null as is_recurring, items.term_months,
        coalesce(items.tcv, items.amount * greatest(cast(1 as decimal(18, 2)), cast(case items.billing_frequency
            when 'monthly' then items.term_months
            when 'quarterly' then items.term_months / 3
            when 'per_six_months' then items.term_months / 6
            else items.term_months / 12
        end as decimal(18, 2)))) as tcv
    from {{ ref('stg_hubspot__deals_line_items_links') }} as links
    inner join {{ ref('stg_hubspot__line_items') }} as items on links.line_item_id = items.line_item_id
    where items.deletion is null
),

-- the largest line names the product; of equal ones the first by name
placed as (
    select *, row_number() over (partition by deal_id order by coalesce(tcv, amount) desc nulls last, name nulls last) as name_place
    from lines
)

select
    deal_id, count(*) as line_count,
    min_by(name, name_place) filter (where name is not null) as product,
    case
        when max(case when is_recurring and term_months is null then 1 else 0 end) = 0
            then sum(case when is_recurring then cast(tcv / greatest(cast(1 as decimal(18, 4)), cast(term_months / 12 as decimal(18, 4))) as decimal(18, 2)) end)
    end as acv
from placed
group by deal_id
