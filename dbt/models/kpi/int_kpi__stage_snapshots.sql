{{ config(materialized=intermediate()) }}
-- grain: one row per fiscal quarter that has ended, weeks that were left of it, pipeline, stage and segment with an open deal then
-- F2's past snapshots, one in each week (the day in its middle) and one at the quarter's end (0 weeks left): a deal that was open at the end
-- of that day counts once, in the stage it stood in, and is won when it stood as won at the end of the quarter. What happened after the quarter is not known to it: a win that was
-- entered later and dated back into it is none. Segment at creation. Excluded deals and pipelines that are not sales are out.
with points as (
    select
        quarter_start, quarter_end, date as point_date, cast(floor((days_to_end + 5) / 7) as bigint) as weeks_left
    from (
        select *, {{ days_between('date', 'quarter_end') }} as days_to_end
        from (
            select
                date, {{ fiscal_quarter_start('date') }} as quarter_start,
                cast({{ fiscal_quarter_start('date') }} + interval 3 month as date) as quarter_end
            from {{ date_spine("'" ~ var('calendar_start') ~ "'", as_of_date()) }} as spine
        ) as days
    ) as measured
    where quarter_end <= {{ as_of_date() }} and (days_to_end = 1 or (days_to_end + 2) % 7 = 0)
),

counted as (
    select versions.*, coalesce(deals.segment, 'unknown') as segment
    from {{ ref('deal_versions') }} as versions
    inner join {{ ref('deals') }} as deals on versions.deal_key = deals.deal_key and not deals.is_excluded
    left join {{ ref('int_kpi__ignored_pipelines') }} as ignored on deals.source = ignored.source and versions.pipeline_id = ignored.pipeline_id
    where ignored.pipeline_id is null and versions.life_state in ('open', 'won')
)

select
    points.quarter_start, points.weeks_left, counted.pipeline, counted.stage, counted.segment,
    count(*) as snapshot_count, count(wins.deal_key) as won_count
from counted
inner join points
    on counted.first_date <= points.point_date and coalesce(counted.end_date, cast('9999-12-31' as date)) > points.point_date
left join counted as wins
    on counted.deal_key = wins.deal_key and wins.life_state = 'won' and wins.first_date < points.quarter_end
    and (wins.end_date >= points.quarter_end or wins.end_date is null)
where counted.life_state = 'open'
group by points.quarter_start, points.weeks_left, counted.pipeline, counted.stage, counted.segment
