-- grain: one row per metric, part (stage of a pipeline, or all), dimension, member and week in which something was counted
-- n and x leave out what fell in a bulk edit (n_bulk, x_bulk); xx is the sum of squares. A value is damped: x is the sum of square roots and xx that
-- of the values, so that one large deal does not make a week; value_sum is the money. Weeks without a row counted nothing.
-- Sums are of decimals: those of doubles depend on the order of the rows, and so would a verdict.
with damped as (
    select
        *, cast(case kind when 'value' then sqrt(greatest(coalesce(value, 0), 0)) else value end as decimal(18, 6)) as x,
        cast(case kind when 'value' then greatest(coalesce(value, 0), 0) else value * value end as decimal(28, 6)) as xx
    from {{ ref('int_signals__facts') }}
)

select
    metric, kind, part, dimension, member_key, max(member) as member, week_start,
    cast(count(*) filter (where not is_bulk) as double) as n,
    cast(coalesce(sum(x) filter (where not is_bulk), 0) as double) as x,
    cast(coalesce(sum(xx) filter (where not is_bulk), 0) as double) as xx,
    cast(count(*) filter (where is_bulk) as double) as n_bulk,
    cast(coalesce(sum(x) filter (where is_bulk), 0) as double) as x_bulk,
    cast(coalesce(sum(cast(value as decimal(28, 6))), 0) as double) as value_sum
from {{ cut_members('damped', ['metric', 'kind', 'part', 'week_start', 'value', 'x', 'xx', 'is_bulk']) }} as members
where (dimension in ('company', 'team', 'segment', 'source') or (dimension = 'owner' and metric = 'churn')) and (part = 'all' or dimension = 'company')
group by metric, kind, part, dimension, member_key, week_start
