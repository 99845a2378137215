-- grain: one row per snapshot day, dimension and member with an open deal at the end of that day
-- M03: every open deal of a sales pipeline, touched or not, at the owner, team, pipeline, amount and close date of that day's end;
-- closed, removed, merged and excluded deals are out. Snapshots: the as-of day, each of the 400 days before it, older month-ends.
-- A version adds its figures on the first snapshot at which it stands and takes them back on the first at which it does not:
-- the running sum is the stock, and the work grows with the versions, not with deals x days. Sums over days mean nothing.
-- M04: each amount x weight is rounded and then summed (I19); a new week is an event. M05: what is open in the quarter over what is missing.
{%- set events = [
    ('first_snapshot_date', [1, 0, 0], 'true'),
    ('end_snapshot_date', [-1, 0, 0], 'end_snapshot_date is not null'),
    ('overdue_snapshot_date', [0, 1, 0], 'is_ever_overdue'),
    ('end_snapshot_date', [0, -1, 0], 'is_ever_overdue and end_snapshot_date is not null'),
    ('horizon_from_date', [0, 0, 1], 'is_ever_in_horizon'),
    ('horizon_to_date', [0, 0, -1], 'is_ever_in_horizon'),
] %}
{%- set same_cell = "spans.pipeline = weights.pipeline and spans.stage = weights.stage and coalesce(spans.segment, 'unknown') = weights.segment" %}
{%- set weighted = 'coalesce(' ~ money_times('spans.amount_base', 2, 'weights.weight') ~ ', 0)' %}
{%- set weighted_before = 'coalesce(' ~ money_times('spans.amount_base', 2, 'weights.weight_before') ~ ', 0)' %}
{%- set is_new_week = 'weights.from_snapshot_date > spans.first_snapshot_date' %}
with changes as (
    {%- for day, marks, condition in events %}
    select
        spans.*, {{ day }} as snapshot_date, {{ marks[0] }} as opened, {{ marks[1] }} as overdue, {{ marks[2] }} as in_horizon,
        cast(0 as decimal(18, 2)) as weighted_value, 0 as unweighted
    from {{ ref('int_kpi__open_spans') }} as spans
    where {{ condition }}
    union all
    {%- endfor %}
    select
        spans.*, greatest(spans.first_snapshot_date, weights.from_snapshot_date), 0, 0, 0,
        {{ weighted }} - case when {{ is_new_week }} then {{ weighted_before }} else 0 end,
        case when weights.weight is null then 1 else 0 end - case when {{ is_new_week }} and weights.weight_before is null then 1 else 0 end
    from {{ ref('int_kpi__open_spans') }} as spans
    inner join {{ ref('int_kpi__open_weights') }} as weights
        on {{ same_cell }} and (spans.first_snapshot_date < weights.to_snapshot_date or weights.to_snapshot_date is null)
        and (spans.end_snapshot_date > weights.from_snapshot_date or spans.end_snapshot_date is null)
    union all
    select
        spans.*, spans.end_snapshot_date, 0, 0, 0, -{{ weighted }}, case when weights.weight is null then -1 else 0 end
    from {{ ref('int_kpi__open_spans') }} as spans
    inner join {{ ref('int_kpi__open_weights') }} as weights
        on {{ same_cell }} and spans.end_snapshot_date > weights.from_snapshot_date
        and (spans.end_snapshot_date <= weights.to_snapshot_date or weights.to_snapshot_date is null)
),

deltas as (
    select
        dimension, member_key, member, snapshot_date,
        sum(opened) as open_count,
        sum(opened * amount_base) as open_value,
        sum(overdue) as overdue_count,
        sum(overdue * amount_base) as overdue_value,
        sum(opened) filter (where amount_base is null) as missing_amount_count,
        sum(weighted_value) as weighted_value,
        sum(unweighted) as unweighted_count,
        sum(in_horizon * amount_base) as horizon_value,
        sum(in_horizon * amount_base) filter (where stage_rank >= 3) as horizon_stage_3_value
    from {{ cut_members('changes', ['snapshot_date', 'opened', 'overdue', 'in_horizon', 'amount_base', 'stage_rank', 'weighted_value', 'unweighted']) }} as members
    group by dimension, member_key, member, snapshot_date
),

snapshots as (
    select
        snapshot_date, {{ fiscal_quarter_start('snapshot_date') }} as horizon_start,
        cast({{ fiscal_quarter_start('snapshot_date') }} + interval 3 month as date) as horizon_end
    from {{ snapshot_days() }} as days
),

members as (
    select dimension, member_key, member, min(snapshot_date) as first_snapshot_date
    from deltas
    group by dimension, member_key, member
),
{%- set measures = [
    'open_count', 'open_value', 'overdue_count', 'overdue_value', 'missing_amount_count', 'weighted_value', 'unweighted_count', 'horizon_value',
    'horizon_stage_3_value',
] %}

stock as (
    select
        snapshots.snapshot_date, snapshots.horizon_start, snapshots.horizon_end, members.dimension, members.member_key, members.member,
        {%- for measure in measures %}
        sum(coalesce(deltas.{{ measure }}, 0)) over running as {{ measure }}{{ ',' if not loop.last }}
        {%- endfor %}
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
    cast(stock.snapshot_date as date) as snapshot_date,
    cast(stock.dimension as string) as dimension,
    cast(stock.member_key as string) as member_key,
    cast(stock.member as string) as member,
    cast(stock.open_count as bigint) as open_count,
    cast(stock.open_value as decimal(18, 2)) as open_value,
    cast(stock.overdue_count as bigint) as overdue_count,
    cast(stock.overdue_value as decimal(18, 2)) as overdue_value,
    cast(stock.missing_amount_count as bigint) as missing_amount_count,
    cast(stock.horizon_start as date) as horizon_start,
    cast(stock.horizon_end as date) as horizon_end,
    cast(case when stock.unweighted_count < stock.open_count then stock.weighted_value end as decimal(18, 2)) as weighted_value,
    cast(stock.unweighted_count as bigint) as unweighted_count,
    cast(stock.horizon_value as decimal(18, 2)) as horizon_value,
    cast(stock.horizon_stage_3_value as decimal(18, 2)) as horizon_stage_3_value,
    cast(targets.target_base as decimal(18, 2)) as target,
    cast(targets.won_value as decimal(18, 2)) as won_value,
    {%- for measure in ['horizon', 'horizon_stage_3'] %}
    cast(case
        when targets.won_value < targets.target_base
            then round((cast(stock.{{ measure }}_value as double) / nullif(cast(targets.target_base - targets.won_value as double), 0)) * 1e9) / 1e9
    end as double) as {{ 'coverage' if loop.first else 'coverage_stage_3' }}_ratio,
    {%- endfor %}
    cast(case
        when targets.target_base is null then 'no_target' when targets.won_value >= targets.target_base then 'met' else 'open'
    end as string) as coverage_state
from stock
left join {{ ref('int_kpi__snapshot_targets') }} as targets
    on stock.snapshot_date = targets.snapshot_date and stock.dimension = targets.dimension and stock.member_key = targets.member_key
where stock.open_count > 0
