-- grain: one row per period grain, period (of booking date), dimension and member with a won deal
-- M01, restated: deals whose last outcome as of E is won, of every order type, at their present amount, in the period of their
-- booking date. A won deal without an amount in company currency counts and adds no value; one without a date is in `all` only.
with won as (
    select *
    from {{ ref('int_kpi__deals') }}
    where life_state = 'won'
),

booked as (
    select
        period_grain, period_start, dimension, member_key, member,
        count(*) as won_count,
        sum(amount_base) as won_value,
        count(*) filter (where amount_base is null) as missing_amount_count
    from {{ cut('won', 'booking_date', ['amount_base']) }} as members
    group by period_grain, period_start, dimension, member_key, member
)

select
    {{ cut_columns() }},
    cast(won_count as bigint) as won_count,
    cast(coalesce(won_value, 0) as decimal(18, 2)) as won_value,
    cast(missing_amount_count as bigint) as missing_amount_count
from booked
