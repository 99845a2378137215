{{ config(materialized=intermediate()) }}
-- grain: one row per CRM deal with line items: contract value of a year (kpis.md M02), discount on the list price and gross margin
-- The yearly value has the recurring lines only, and one of them without a term leaves the deal without it. Discount and margin have all lines,
-- and one line without its discount or its cost leaves the deal without: an unknown cost is not a cost of zero.
select
    deal_key, count(*) as line_count,
    case when max(case when is_recurring and term_months is null then 1 else 0 end) = 0 then sum(yearly_value) end as acv,
    case when count(*) = count(list_value * discount_share)
        then sum(list_value * discount_share) / nullif(sum(cast(list_value as double)), 0) end as discount_share,
    case when count(*) = count(net_value) and count(*) = count(cost_value)
        then 1 - sum(cast(cost_value as double)) / nullif(sum(cast(net_value as double)), 0) end as margin_share
from {{ ref('int_pipeline__deal_lines') }}
group by deal_key
