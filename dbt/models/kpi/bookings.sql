-- grain: one row per period grain, period (of booking date), dimension and member with a won deal or a ledger line
-- M01, restated: deals whose last outcome as of E is won, at their present amount, in the period of their booking date; contractions are
-- in net_bookings alone. A won deal without an amount in company currency counts and adds no value; one without a date is in `all` only.
-- locked_value is what net_bookings stood at when the period was locked (end of business day 4 after it; owner and team of the win):
-- lines recorded later show as restatement_value (I12). Both are NULL until the period is locked. Targets (M22) are those of months and
-- fiscal quarters, for the company, teams and sellers; a member without a win has its target in attainment alone.
with facts as (
    select
        booking_date as fact_date, owner_key, owner, team, source, pipeline, order_type, product, segment, industry, country, deal_size_band,
        case when order_type = 'contraction' then 0 else 1 end as is_won,
        case when order_type = 'contraction' then 0 else amount_base end as won_value,
        case when order_type = 'contraction' then -abs(amount_base) else amount_base end as net_value,
        case when amount_base is null then 1 else 0 end as is_missing,
        cast(null as date) as recorded_on, cast(0 as decimal(18, 2)) as line_value, cast(0 as decimal(18, 2)) as reversed_value
    from {{ ref('int_kpi__deals') }}
    where life_state = 'won'
    union all
    select
        lines.booked_on, lines.owner_key, coalesce(owners.name, owners.email, lines.owner_key), lines.team, deals.source, deals.pipeline, deals.order_type,
        deals.product, deals.segment, deals.industry, deals.country, deals.deal_size_band, 0, 0, 0, 0,
        lines.recorded_on, lines.amount_base, case when lines.kind = 'reversal' then -lines.amount_base else 0 end
    from {{ ref('bookings_ledger') }} as lines
    inner join {{ ref('int_kpi__deals') }} as deals on lines.deal_key = deals.deal_key
    left join {{ ref('owners') }} as owners on lines.owner_key = owners.owner_key
),

cuts as (
    select members.*, locks.lock_date
    from {{ cut('facts', 'fact_date', ['is_won', 'won_value', 'net_value', 'is_missing', 'recorded_on', 'line_value', 'reversed_value']) }} as members
    left join {{ ref('int_pipeline__period_locks') }} as locks on members.period_grain = locks.period_grain and members.period_start = locks.period_start
),

booked as (
    select
        period_grain, period_start, dimension, member_key, max(member) as member,
        sum(is_won) as won_count, sum(won_value) as won_value, sum(net_value) as net_bookings, sum(is_missing) as missing_amount_count,
        sum(reversed_value) as reversed_value, max(lock_date) as lock_date,
        sum(case when recorded_on <= lock_date then line_value else 0 end) as locked_value
    from cuts
    group by period_grain, period_start, dimension, member_key
),

targeted as (
    select booked.*, targets.target_base as target
    from booked
    left join {{ ref('int_kpi__period_targets') }} as targets
        on booked.period_grain = targets.period_grain and booked.period_start = targets.period_start and booked.dimension = targets.dimension
        and booked.member_key = targets.member_key
)

select
    {{ cut_columns() }},
    cast(won_count as bigint) as won_count,
    cast(coalesce(won_value, 0) as decimal(18, 2)) as won_value,
    cast(coalesce(reversed_value, 0) as decimal(18, 2)) as reversed_value,
    cast(coalesce(net_bookings, 0) as decimal(18, 2)) as net_bookings,
    cast(case when lock_date is not null then locked_value end as decimal(18, 2)) as locked_value,
    cast(case when lock_date is not null then coalesce(net_bookings, 0) - locked_value end as decimal(18, 2)) as restatement_value,
    cast(lock_date as date) as lock_date,
    cast(missing_amount_count as bigint) as missing_amount_count,
    cast(target as decimal(18, 2)) as target,
    cast(cast(coalesce(won_value, 0) as double) / nullif(cast(target as double), 0) as double) as attainment_rate
from targeted
