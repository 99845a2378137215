{{ config(materialized=intermediate()) }}
-- grain: one row per snapshot day, dimension (company, team, owner) and member with a target in the fiscal quarter that holds the day
-- M05: the quarter's target as it stood on that day, and what had been won of it by the end of that day: the ledger's lines that belong to the
-- quarter and were recorded by then, contractions aside, by owner and team of the win. A quarter has a target when its three months have one.
with targets as (
    select
        known_date as snapshot_date, {{ fiscal_quarter_start('known_date') }} as quarter_start, dimension, member_key,
        case when count(*) = 3 then sum(target_base) end as target_base
    from (
        select known_date, dimension, member_key, month, sum(target_base) as target_base
        from {{ ref('int_kpi__member_targets') }}
        where {{ fiscal_quarter_start('month') }} = {{ fiscal_quarter_start('known_date') }}
        group by known_date, dimension, member_key, month
    ) as months
    group by known_date, dimension, member_key
),

lines as (
    select dimension, member_key, {{ fiscal_quarter_start('booked_on') }} as quarter_start, recorded_on, sum(amount_base) as amount_base
    from (
        select 'company' as dimension, 'all' as member_key, booked_on, recorded_on, amount_base, order_type from {{ ref('bookings_ledger') }}
        union all
        select 'team', coalesce(team, 'unknown'), booked_on, recorded_on, amount_base, order_type from {{ ref('bookings_ledger') }}
        union all
        select 'owner', coalesce(owner_key, 'unknown'), booked_on, recorded_on, amount_base, order_type from {{ ref('bookings_ledger') }}
    ) as credited
    where coalesce(order_type, 'unknown') <> 'contraction'
    group by dimension, member_key, {{ fiscal_quarter_start('booked_on') }}, recorded_on
)

select
    targets.snapshot_date, targets.dimension, targets.member_key, targets.target_base, coalesce(sum(lines.amount_base), 0) as won_value
from targets
left join lines
    on targets.dimension = lines.dimension and targets.member_key = lines.member_key and targets.quarter_start = lines.quarter_start
    and lines.recorded_on <= targets.snapshot_date
group by targets.snapshot_date, targets.dimension, targets.member_key, targets.target_base
