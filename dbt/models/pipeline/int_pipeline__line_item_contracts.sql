{{ config(materialized=intermediate()) }}
-- grain: one row per recurring line item of a won CRM deal: the contract that it is, for a company that records its renewals as won deals
-- It starts on the billing start, else on the deal's booking date, and ends with the term. Its yearly value is that of kpis.md M02: a term under a
-- year is not annualised. Without a term nobody knows whether it still runs: no value, and the customer is out of retention and listed.
with placed as (
    select
        lines.source, lines.line_item_id, deals.deal_key, deals.company_key, coalesce(lines.billing_start_date, deals.booking_date) as start_date, lines.term_months,
        lines.yearly_value, deals.currency, greatest(lines.known_from, deals.known_from) as known_from,
        row_number() over (partition by lines.source, lines.line_item_id order by deals.deal_key nulls last) as place
    from {{ ref('int_pipeline__deal_lines') }} as lines
    inner join {{ ref('deals') }} as deals on lines.deal_key = deals.deal_key
    where lines.is_recurring and deals.life_state = 'won' and not deals.is_excluded
)

select
    source, line_item_id, deal_key, company_key, coalesce(company_key, deal_key) as customer_key, start_date,
    case when term_months is not null then cast({{ add_months('start_date', 'term_months') }} - interval 1 day as date) end as end_date,
    yearly_value, currency, known_from
from placed
where place = 1 and start_date is not null
