{{ config(materialized=intermediate()) }}
-- grain: one row per CRM deal and living line item as of (E, K)
-- The vendor's amount is the net price of one billing period. list_value, net_value and cost_value are over the term (over one period without a
-- term), and never under one period: a term under a year is not annualised (kpis.md M02). The discount is a percentage or an amount per unit;
-- where neither is filled in it is none only if the net price is the list price, else unknown.
with lines as (
    select
        links.source || ':deal:' || links.from_id as deal_key, links.source, items.line_item_id, items.name as product, items.amount, items.tcv,
        items.term_months, items.billing_start_date, items.known_from,
        items.billing_frequency is not null as is_recurring,
        {{ money_times('items.price', 6, 'items.quantity') }} as list_price,
        {{ money_times('items.unit_cost', 6, 'items.quantity') }} as cost,
        case
            when items.discount_percent > 0 then case when items.discount_percent <= 100 then cast(items.discount_percent as double) / 100 end
            when items.unit_discount is not null
                then case when items.unit_discount between 0 and items.price then cast(items.unit_discount as double) / nullif(cast(items.price as double), 0) end
            when items.discount_percent = 0 or items.amount = {{ money_times('items.price', 6, 'items.quantity') }} then cast(0 as double)
        end as discount_share,
        greatest(cast(1 as decimal(18, 4)), coalesce(cast(case items.billing_frequency
            when 'weekly' then items.term_months * 52 / 12
            when 'biweekly' then items.term_months * 26 / 12
            when 'monthly' then items.term_months
            when 'quarterly' then items.term_months / 3
            when 'per_six_months' then items.term_months / 6
            when 'annually' then items.term_months / 12
            when 'per_two_years' then items.term_months / 24
            when 'per_three_years' then items.term_months / 36
            when 'per_four_years' then items.term_months / 48
            when 'per_five_years' then items.term_months / 60
        end as decimal(18, 4)), cast(1 as decimal(18, 4)))) as periods
    from {{ ref('int_crm__links') }} as links
    inner join {{ ref('int_crm__line_items') }} as items on links.source = items.source and links.to_id = items.line_item_id
    where links.from_object = 'deals' and links.to_object = 'line_items' and items.deletion is null
),

valued as (
    select *, coalesce(tcv, {{ money_times('amount', 2, 'periods') }}) as contract_value from lines
)

select
    deal_key, source, line_item_id, product, is_recurring, term_months, billing_start_date, known_from, discount_share, contract_value,
    case when is_recurring and term_months is not null then cast(cast(
        contract_value / greatest(cast(1 as decimal(18, 4)), cast(term_months / 12 as decimal(18, 4)))
    as decimal(18, 6)) as decimal(18, 2)) end as yearly_value,
    {{ money_times('list_price', 2, 'periods') }} as list_value,
    {{ money_times('amount', 2, 'periods') }} as net_value,
    {{ money_times('cost', 2, 'periods') }} as cost_value
from valued
