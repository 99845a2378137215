{{ config(materialized=intermediate()) }}
-- grain: one row per run of snapshot days [from_snapshot_date, to_snapshot_date) within one week of a fiscal quarter, and pipeline, stage
-- and segment that deals have stood in; to_snapshot_date NULL = up to the as-of day
-- M04: the weight of an open deal there, and the one of the run before (new weights are events of the stock, like new rates). Its segment's
-- weight, else its stage's, else its pipeline's; NULL where nothing is known.
-- Weeks left count whole days after the snapshot; the as-of day itself is still to come.
with snapshots as (
    select
        snapshot_date, horizon_start,
        least(13, cast(floor(({{ days_between('snapshot_date', 'horizon_end') }} + 5 + is_running) / 7) as bigint)) as weeks_left
    from (
        select
            snapshot_date, {{ fiscal_quarter_start('snapshot_date') }} as horizon_start,
            cast({{ fiscal_quarter_start('snapshot_date') }} + interval 3 month as date) as horizon_end,
            case when snapshot_date = {{ as_of_date() }} then 1 else 0 end as is_running
        from {{ snapshot_days() }} as days
    ) as placed
),

runs as (
    select
        horizon_start, weeks_left, snapshot_date as from_snapshot_date,
        lead(snapshot_date) over (order by snapshot_date nulls last) as to_snapshot_date
    from (
        select *, lag(snapshot_date) over (partition by horizon_start, weeks_left order by snapshot_date nulls last) is null as is_new
        from snapshots
    ) as compared
    where is_new
),

cells as (
    select distinct versions.pipeline, versions.stage, coalesce(deals.segment, 'unknown') as segment
    from {{ ref('deal_versions') }} as versions
    inner join {{ ref('deals') }} as deals on versions.deal_key = deals.deal_key
    where versions.life_state = 'open'
),

weighted as (
    select
        runs.from_snapshot_date, runs.to_snapshot_date, cells.pipeline, cells.stage, cells.segment,
        cast(coalesce(by_segment.weight, by_stage.weight, by_pipeline.weight) as decimal(18, 8)) as weight
    from runs
    cross join cells
    {%- for level, columns in {'segment': ['pipeline', 'stage', 'segment'], 'stage': ['pipeline', 'stage'], 'pipeline': ['pipeline']}.items() %}
    left join {{ ref('stage_weights') }} as by_{{ level }}
        on by_{{ level }}.level = '{{ level }}' and runs.horizon_start = by_{{ level }}.horizon_start and runs.weeks_left = by_{{ level }}.weeks_left
        {%- for column in columns %}
        and cells.{{ column }} = by_{{ level }}.{{ column }}
        {%- endfor %}
    {%- endfor %}
)

select
    *, lag(weight) over (partition by pipeline, stage, segment order by from_snapshot_date nulls last) as weight_before
from weighted
