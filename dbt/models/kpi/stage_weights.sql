-- grain: one row per fiscal quarter (horizon), weeks left of it, level (pipeline, stage, segment), pipeline, stage and segment that the
-- training quarters hold
-- M04, F2: the chance that a deal in this stage with so many weeks left is won within the quarter, learnt from the last eight fiscal quarters
-- that had ended before this one began, so that a weight knows no outcome of its own quarter or a later one. S5: a segment's share is shrunk
-- to its stage's over all segments, a stage's to that of all stages of the pipeline. A quarter without an ended one before it has no row.
{%- set keys = ['horizon_start', 'weeks_left', 'pipeline'] %}
with horizons as (
    select distinct {{ fiscal_quarter_start('snapshot_date') }} as horizon_start from {{ snapshot_days() }} as snapshots
),

cells as (
    select
        horizons.horizon_start, snapshots.weeks_left, snapshots.pipeline, snapshots.stage, snapshots.segment,
        min(snapshots.quarter_start) as trained_from, sum(snapshots.snapshot_count) as snapshot_count, sum(snapshots.won_count) as won_count
    from {{ ref('int_kpi__stage_snapshots') }} as snapshots
    inner join horizons
        on snapshots.quarter_start < horizons.horizon_start and snapshots.quarter_start >= cast(horizons.horizon_start - interval 24 month as date)
    group by horizons.horizon_start, snapshots.weeks_left, snapshots.pipeline, snapshots.stage, snapshots.segment
),

stages as (
    select
        {{ keys | join(', ') }}, stage, min(trained_from) as trained_from, sum(snapshot_count) as snapshot_count, sum(won_count) as won_count
    from cells
    group by {{ keys | join(', ') }}, stage
),

pipelines as (
    select
        {{ keys | join(', ') }}, min(trained_from) as trained_from, sum(snapshot_count) as snapshot_count, sum(won_count) as won_count,
        sum(won_count) / nullif(cast(sum(snapshot_count) as double), 0) as weight
    from stages
    group by {{ keys | join(', ') }}
),

shrunk_stages as (
    select
        stages.*, pipelines.weight as prior_rate, strengths.strength,
        {{ shrunk_rate('stages.won_count', 'stages.snapshot_count', 'pipelines.weight', 'strengths.strength') }} as weight
    from stages
    inner join pipelines
        on stages.horizon_start = pipelines.horizon_start and stages.weeks_left = pipelines.weeks_left and stages.pipeline = pipelines.pipeline
    inner join {{ prior_strength('stages', keys, 'won_count', 'snapshot_count') }} as strengths
        on stages.horizon_start = strengths.horizon_start and stages.weeks_left = strengths.weeks_left and stages.pipeline = strengths.pipeline
),

shrunk_cells as (
    select
        cells.*, shrunk_stages.weight as prior_rate, strengths.strength,
        {{ shrunk_rate('cells.won_count', 'cells.snapshot_count', 'shrunk_stages.weight', 'strengths.strength') }} as weight
    from cells
    inner join shrunk_stages
        on cells.horizon_start = shrunk_stages.horizon_start and cells.weeks_left = shrunk_stages.weeks_left
        and cells.pipeline = shrunk_stages.pipeline and cells.stage = shrunk_stages.stage
    inner join {{ prior_strength('cells', keys + ['stage'], 'won_count', 'snapshot_count') }} as strengths
        on cells.horizon_start = strengths.horizon_start and cells.weeks_left = strengths.weeks_left
        and cells.pipeline = strengths.pipeline and cells.stage = strengths.stage
),

levels as (
    select
        'segment' as level, {{ keys | join(', ') }}, stage, segment, trained_from, snapshot_count, won_count, prior_rate, strength, weight
    from shrunk_cells
    union all
    select 'stage', {{ keys | join(', ') }}, stage, 'all', trained_from, snapshot_count, won_count, prior_rate, strength, weight
    from shrunk_stages
    union all
    select
        'pipeline', {{ keys | join(', ') }}, 'all', 'all', trained_from, snapshot_count, won_count,
        cast(null as double), cast(null as double), weight
    from pipelines
)

select
    cast(horizon_start as date) as horizon_start,
    cast(horizon_start + interval 3 month as date) as horizon_end,
    cast(weeks_left as bigint) as weeks_left,
    cast(level as string) as level,
    cast(pipeline as string) as pipeline,
    cast(stage as string) as stage,
    cast(segment as string) as segment,
    cast(trained_from as date) as trained_from,
    cast(snapshot_count as bigint) as snapshot_count,
    cast(won_count as bigint) as won_count,
    cast(won_count / nullif(cast(snapshot_count as double), 0) as double) as observed_rate,
    cast(round(prior_rate * 1e6) / 1e6 as double) as prior_rate,
    cast(round(strength * 1e6) / 1e6 as double) as prior_strength,
    cast(round(weight * 1e6) / 1e6 as double) as weight
from levels
