-- grain: one row per snapshot day, dimension and member with an open deal at the end of that day
-- M03: every open deal of a sales pipeline, touched or not, at the owner, team, pipeline, amount and close date of that day's end;
-- closed, removed, merged and excluded deals are out. Snapshots: the as-of day, each of the 400 days before it, older month-ends.
-- A version adds its figures on the first snapshot at which it stands and takes them back on the first at which it does not:
-- the running sum is the stock, and the work grows with the versions, not with deals x days. Sums over days mean nothing.
with changes as (
    select *, first_snapshot_date as snapshot_date, 1 as opened, 0 as overdue
    from {{ ref('int_kpi__open_spans') }}
    union all
    select *, end_snapshot_date as snapshot_date, -1 as opened, 0 as overdue
    from {{ ref('int_kpi__open_spans') }}
    where end_snapshot_date is not null
    union all
    select *, overdue_snapshot_date as snapshot_date, 0 as opened, 1 as overdue
    from {{ ref('int_kpi__open_spans') }}
    where is_ever_overdue
    union all
    select *, end_snapshot_date as snapshot_date, 0 as opened, -1 as overdue
    from {{ ref('int_kpi__open_spans') }}
    where is_ever_overdue and end_snapshot_date is not null
),

deltas as (
    select
        dimension, member_key, member, snapshot_date,
        sum(opened) as open_delta,
        sum(opened * amount_base) as open_value_delta,
        sum(overdue) as overdue_delta,
        sum(overdue * amount_base) as overdue_value_delta,
        sum(opened) filter (where amount_base is null) as missing_delta
    from {{ cut_members('changes', ['snapshot_date', 'opened', 'overdue', 'amount_base']) }} as members
    group by dimension, member_key, member, snapshot_date
),

snapshots as (
    select snapshot_date from {{ snapshot_days() }} as days
),

members as (
    select dimension, member_key, member, min(snapshot_date) as first_snapshot_date
    from deltas
    group by dimension, member_key, member
),

stock as (
    select
        snapshots.snapshot_date, members.dimension, members.member_key, members.member,
        sum(coalesce(deltas.open_delta, 0)) over running as open_count,
        sum(coalesce(deltas.open_value_delta, 0)) over running as open_value,
        sum(coalesce(deltas.overdue_delta, 0)) over running as overdue_count,
        sum(coalesce(deltas.overdue_value_delta, 0)) over running as overdue_value,
        sum(coalesce(deltas.missing_delta, 0)) over running as missing_amount_count
    from members
    inner join snapshots on members.first_snapshot_date <= snapshots.snapshot_date
    left join deltas
        on members.dimension = deltas.dimension and members.member_key = deltas.member_key
        and snapshots.snapshot_date = deltas.snapshot_date
    window running as (
        partition by members.dimension, members.member_key order by snapshots.snapshot_date nulls last
        rows between unbounded preceding and current row
    )
)

select
    cast(snapshot_date as date) as snapshot_date,
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(member as string) as member,
    cast(open_count as bigint) as open_count,
    cast(open_value as decimal(18, 2)) as open_value,
    cast(overdue_count as bigint) as overdue_count,
    cast(overdue_value as decimal(18, 2)) as overdue_value,
    cast(missing_amount_count as bigint) as missing_amount_count
from stock
where open_count > 0
