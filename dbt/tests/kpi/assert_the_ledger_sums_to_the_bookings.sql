{{ config(meta={'dagster': {'ref': {'name': 'bookings_ledger'}}}) }}
-- I12 and the ledger's promise: the lines of a deal sum to what it books as of E, on its booking date
with lines as (
    select deal_key, booked_on, sum(amount_base) as amount_base from {{ ref('bookings_ledger') }} group by deal_key, booked_on
),

deals as (
    select
        deal_key, booking_date as booked_on,
        case when order_type = 'contraction' then -abs(coalesce(amount_base, 0)) else coalesce(amount_base, 0) end as amount_base
    from {{ ref('deals') }}
    where life_state = 'won' and not is_excluded and booking_date is not null
)

select coalesce(lines.deal_key, deals.deal_key) as deal_key, coalesce(lines.booked_on, deals.booked_on) as booked_on, lines.amount_base, deals.amount_base as expected
from lines
full join deals on lines.deal_key = deals.deal_key and lines.booked_on = deals.booked_on
where coalesce(lines.amount_base, 0) <> coalesce(deals.amount_base, 0)
