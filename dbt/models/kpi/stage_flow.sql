-- grain: one row per period grain, period, dimension, member, pipeline and stage that held or moved a visit
-- M12 as of E: what stood in the stage when the period began, what came in, how it went out and what stood there at its end:
-- opening + entered = closing + all exits (I04). A visit belongs to the owner and team of its entry. Visits of no length (overtaken at
-- the instant of entry) are in the flow and in no duration. days_median_km: Kaplan-Meier over the visits that began in the period,
-- running ones censored at E, days rounded to 0.01. deal_days: the time that all visits together spent in the stage in the period.
-- A visit whose deal has no history before some later day (left truncation, S2) is at risk, and its deal_days count, from that day on.
{%- set keys = ['period_grain', 'period_start', 'dimension', 'member_key', 'visited_pipeline', 'stage'] %}
{%- set exits = {
    'advanced': ['advanced'], 'skipped_ahead': ['skipped_ahead'], 'won': ['won'], 'lost': ['lost'], 'regressed': ['regressed'],
    'other_exit': ['disqualified', 'removed', 'merged', 'pipeline_out']
} %}
-- entered: 1 came in, 0 went out, NULL its history starts; watched: 1 from here on its time counts, -1 until here
with moves as (
    select
        *, entry_date as move_date, entered_at as moved_at, 1 as entered, cast(null as string) as exit_way, round(stay_days * 1e2) / 1e2 as stay,
        round(unseen_days * 1e2) / 1e2 as unseen, case when exited_at is null then 0 else 1 end as has_ended,
        case when is_seen and observed_at is null then 1 else 0 end as watched
    from {{ ref('int_kpi__stage_visits') }}
    union all
    select *, {{ local_date('observed_at') }}, observed_at, cast(null as int), cast(null as string), cast(null as double), cast(null as double), 0, 1
    from {{ ref('int_kpi__stage_visits') }} where observed_at is not null
    union all
    select *, exit_date, exited_at, 0, exit_kind, cast(null as double), cast(null as double), 0, case when is_seen then -1 else 0 end
    from {{ ref('int_kpi__stage_visits') }} where exited_at is not null
),

moved as (
    select
        {{ keys | join(', ') }}, max(member) as member, min(stage_rank) as stage_rank,
        sum(entered) as entered_count, sum(1 - entered) as exit_count,
        sum(cast(-watched * {{ epoch_micros('moved_at') }} as decimal(20, 0))) as left_at_micros, sum(watched) as watched_count,
        count(*) filter (where stay is not null and unseen > 0) as late_count,
        {%- for name, kinds in exits.items() %}
        count(*) filter (where exit_way in ('{{ kinds | join("', '") }}')) as {{ name }}_count,
        {%- endfor %}
        percentile_disc(0.5) within group (order by case when has_ended = 1 then stay else cast(1e12 as double) end)
            filter (where stay is not null) as middle_days,
        min(stay) filter (where has_ended = 0) as first_running_days,
        row_number() over (order by {{ keys | join(' nulls last, ') }} nulls last) as cell
    from {{ cut(
        'moves', 'move_date', ['visited_pipeline', 'stage', 'stage_rank', 'entered', 'exit_way', 'stay', 'unseen', 'has_ended', 'watched', 'moved_at']
    ) }} as members
    group by {{ keys | join(', ') }}
),

-- a quiet period has a stock too: every period from the member's first move to E has a row
periods as (
    select
        *, {{ local_midnight('period_start') }} as starts_at,
        least(coalesce({{ local_midnight(period_end('period_grain', 'period_start')) }}, {{ as_of() }}), {{ as_of() }}) as ends_at
    from (
        select distinct grains.period_grain, case grains.period_grain
            when 'week' then calendar.week_start when 'month' then calendar.month_start when 'quarter' then calendar.fiscal_quarter_start
        end as period_start
        from {{ ref('calendar') }} as calendar
        cross join (select distinct period_grain from moved) as grains
        where calendar.country = '{{ var("company_country") }}' and calendar.date <= {{ as_of_date() }}
    ) as spine
),

members as (
    select
        period_grain, dimension, member_key, visited_pipeline, stage, max(member) as member, min(stage_rank) as stage_rank,
        min(period_start) as first_period_start
    from moved
    group by period_grain, dimension, member_key, visited_pipeline, stage
),

stocks as (
    select
        members.period_grain, periods.period_start, members.dimension, members.member_key, members.member, members.visited_pipeline, members.stage,
        members.stage_rank, moved.cell, coalesce(moved.entered_count, 0) as entered_count, coalesce(moved.exit_count, 0) as exit_count,
        periods.starts_at, periods.ends_at, coalesce(moved.left_at_micros, 0)
        + coalesce(moved.watched_count, 0) * cast({{ epoch_micros('periods.ends_at') }} as decimal(20, 0)) as moved_micros,
        {%- for name in exits %}
        coalesce(moved.{{ name }}_count, 0) as {{ name }}_count,
        {%- endfor %}
        sum(coalesce(moved.entered_count, 0) - coalesce(moved.exit_count, 0)) over so_far as closing_count,
        sum(coalesce(moved.watched_count, 0)) over so_far - coalesce(moved.watched_count, 0) as opening_watched_count
    from members
    inner join periods
        on members.period_grain = periods.period_grain and (periods.period_start >= members.first_period_start or periods.period_start is null)
    left join moved
        on members.period_grain = moved.period_grain and periods.period_start is not distinct from moved.period_start
        and members.dimension = moved.dimension and members.member_key = moved.member_key
        and members.visited_pipeline = moved.visited_pipeline and members.stage = moved.stage
    window so_far as (
        partition by members.period_grain, members.dimension, members.member_key, members.visited_pipeline, members.stage
        order by periods.period_start nulls last rows between unbounded preceding and current row
    )
),

-- no visit came late or was still running at the middle stay or before: it is the curve's median. Only the other cells need a curve, each by a number:
-- tens of millions of stays of a large company would carry six names each
entries as (
    select *, stay as day, has_ended as ends, 1 as stays, 0 as starts from moves where stay is not null
    union all
    select *, unseen, 0, 0, 1 from moves where stay is not null and unseen > 0
),

stays as (
    select
        moved.cell, cuts.day, count(*) filter (where cuts.ends = 1) as ended_count, count(*) filter (where cuts.stays = 1) as stay_count,
        count(*) filter (where cuts.starts = 1) as late_count
    from {{ cut('entries', 'move_date', ['visited_pipeline', 'stage', 'day', 'ends', 'stays', 'starts']) }} as cuts
    inner join moved
        on cuts.period_grain = moved.period_grain and cuts.period_start is not distinct from moved.period_start
        and cuts.dimension = moved.dimension and cuts.member_key = moved.member_key
        and cuts.visited_pipeline = moved.visited_pipeline and cuts.stage = moved.stage
    where moved.middle_days > moved.first_running_days or moved.late_count > 0
    group by moved.cell, cuts.day
),

curves as (
    select *, {{ km_survival('ended_count', ['cell'], 'day') }} as survival
    from {{ risk_sets('stays', ['cell'], 'day', 'ended_count', 'stay_count', 'late_count') }} as at_risk
),

medians as (
    select cell, min(day) filter (where survival <= 0.5) as days_median_km from curves group by cell
    union all
    select cell, middle_days from moved where middle_days <= coalesce(first_running_days, middle_days) and late_count = 0
)

select
    cast(stocks.period_grain as string) as period_grain,
    cast(stocks.period_start as date) as period_start,
    cast(stocks.dimension as string) as dimension,
    cast(stocks.member_key as string) as member_key,
    cast(stocks.member as string) as member,
    cast(stocks.visited_pipeline as string) as pipeline,
    cast(stocks.stage as string) as stage,
    cast(stocks.stage_rank as bigint) as stage_rank,
    cast(stocks.closing_count - stocks.entered_count + stocks.exit_count as bigint) as opening_count,
    cast(stocks.entered_count as bigint) as entered_count,
    {%- for name in exits %}
    cast(stocks.{{ name }}_count as bigint) as {{ name }}_count,
    {%- endfor %}
    cast(stocks.closing_count as bigint) as closing_count,
    -- summed in whole microseconds: no order of rows changes it. What stood at the start stays to the end, what came in stays from then on,
    -- what went out takes its rest back
    cast(round(greatest(
        cast(stocks.moved_micros as double) / 86400000000
        + coalesce(stocks.opening_watched_count * {{ elapsed_days('stocks.starts_at', 'stocks.ends_at') }}, 0), 0
    ) * 1e6) / 1e6 as double) as deal_days,
    cast(medians.days_median_km as double) as days_median_km
from stocks
left join medians on stocks.cell = medians.cell
where stocks.closing_count > 0 or stocks.entered_count > 0 or stocks.exit_count > 0
