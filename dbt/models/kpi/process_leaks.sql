-- grain: one row per dimension (company, team, owner, segment), member, pipeline and open stage that deals left in the newest 13 whole weeks
-- S10: where the process loses against its own past. leak = exits x max(0, usual - shrunk rate) x what a deal that got further was worth; usual is the
-- median of the same member's eight blocks of 13 weeks before; 0 where usual lies within the interval of the shrunk rate or of fewer than 10 exits (40
-- before), NULL with fewer than four such blocks. time_leak = extra median days x open deals x chance of loss per day x that worth; 0 where the usual
-- median lies within the interval of the median. Ranked by value within its dimension, sellers never: their rows are for a talk, not for a list.
{%- set keys = ['dimension', 'member_key', 'pipeline', 'stage'] %}
with blocks as (
    select
        {{ keys | join(', ') }}, block, max(member) as member, min(stage_rank) as stage_rank, count(*) as exited_count, sum(is_advanced) as advanced_count,
        sum(is_lost) as lost_count, sum(is_advanced) / cast(count(*) as double) as rate, {{ median_of('stay_days', 'true') }} as median_days,
        count(stay_days) as stay_count
    from {{ ref('int_kpi__leak_members') }}
    group by {{ keys | join(', ') }}, block
),

usual as (
    select
        {{ keys | join(', ') }}, count(*) as block_count, sum(exited_count) as usual_exits, {{ median_of('rate', 'true') }} as usual_rate,
        {{ median_of('median_days', 'true') }} as usual_days
    from blocks
    where block >= 1
    group by {{ keys | join(', ') }}
),

-- what a deal that got further was worth, and how likely a day in the stage loses one: of all nine blocks
worths as (
    select
        {{ keys | join(', ') }}, sum(worth) / nullif(cast(count(worth) as double), 0) as value_per_advanced,
        sum(is_lost) / nullif(sum(stay_days), 0) as loss_hazard_per_day
    from {{ ref('int_kpi__leak_members') }}
    group by {{ keys | join(', ') }}
),

middles as (
    select * from {{ ref('int_kpi__leak_middles') }}
),

reasons as (
    select
        {{ keys | join(', ') }}, max_by(reason, reason_count) filter (where reason is not null) as top_reason,
        max(reason_count) filter (where reason is not null) as top_count, sum(case when reason is null then reason_count else 0 end) as missing_count
    from (
        select {{ keys | join(', ') }}, reason, count(*) + row_number() over (partition by {{ keys | join(', ') }} order by reason nulls last) * 1e-6 as reason_count
        from {{ ref('int_kpi__leak_members') }} where block = 0 and is_lost = 1 group by {{ keys | join(', ') }}, reason
    ) as counted
    group by {{ keys | join(', ') }}
),

standing as (
    select dimension, member_key, visited_pipeline as pipeline, stage, count(*) as open_count
    from {{ cut_members(
        '(select * from ' ~ ref('int_kpi__stage_visits') ~ " where exited_at is null and life_state = 'open') as running", ['visited_pipeline', 'stage']
    ) }} as cut
    where dimension in ('company', 'team', 'owner', 'segment')
    group by dimension, member_key, visited_pipeline, stage
),

priors as (
    select dimension, pipeline, stage, rate, strength
    from {{ prior_strength('(select * from blocks where block = 0)', ['dimension', 'pipeline', 'stage'], 'advanced_count', 'exited_count') }} as strengths
),

-- the company has nobody to be drawn towards: half a success and half a failure (Jeffreys)
posteriors as (
    select
        blocks.dimension, blocks.member_key, blocks.pipeline, blocks.stage, blocks.rate as mean,
        blocks.advanced_count + case when blocks.dimension = 'company' then 0.5 else priors.rate * priors.strength end as a,
        blocks.lost_count + case when blocks.dimension = 'company' then 0.5 else (1 - priors.rate) * priors.strength end as b
    from blocks
    inner join priors on blocks.dimension = priors.dimension and blocks.pipeline = priors.pipeline and blocks.stage = priors.stage
    where blocks.block = 0
),

intervals as (
    select * from {{ beta_summary("(select * from posteriors where a >= 0.5 and b >= 0.5)", keys, 'a', 'b', 'mean') }} as betas
),

measured as (
    select
        blocks.*, coalesce(usual.block_count, 0) as block_count, usual.usual_exits, usual.usual_rate, usual.usual_days, worths.value_per_advanced, worths.loss_hazard_per_day,
        middles.days_low, middles.days_high, reasons.top_reason, floor(reasons.top_count) as top_count, floor(reasons.missing_count) as missing_count,
        coalesce(standing.open_count, 0) as open_count, posteriors.a / (posteriors.a + posteriors.b) as shrunk_rate,
        intervals.low as rate_low, intervals.high as rate_high, coalesce(usual.block_count, 0) >= 4 as is_comparable
    from blocks
    {%- for other in ['posteriors', 'intervals', 'usual', 'worths', 'middles', 'reasons', 'standing'] %}
    left join {{ other }}
        on blocks.dimension = {{ other }}.dimension and blocks.member_key = {{ other }}.member_key and blocks.pipeline = {{ other }}.pipeline
        and blocks.stage = {{ other }}.stage
    {%- endfor %}
    where blocks.block = 0
),

valued as (
    select
        *, exited_count * greatest(0, usual_rate - shrunk_rate) * value_per_advanced as gross_value,
        coalesce(usual_rate > rate_high, false) and exited_count >= 10 and usual_exits >= 40 as is_leak, coalesce(usual_days < days_low and stay_count >= 10, false) as is_slow,
        greatest(0, median_days - usual_days) * open_count * loss_hazard_per_day * value_per_advanced as gross_time_value
    from measured
),

sized as (
    select
        *, case when is_comparable then case when is_leak then gross_value else 0 end end as leak_value,
        case when is_comparable then case when is_slow then gross_time_value else 0 end end as time_leak_value
    from valued
)

select
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(member as string) as member,
    cast(pipeline as string) as pipeline,
    cast(stage as string) as stage,
    cast(stage_rank as bigint) as stage_rank,
    cast({{ week_start(as_of_date()) }} - interval 91 day as date) as from_date,
    cast({{ week_start(as_of_date()) }} - interval 1 day as date) as to_date,
    cast(case
        when dimension <> 'owner' and leak_value + time_leak_value > 0 then row_number() over (
            partition by dimension order by leak_value + time_leak_value desc nulls last, member_key nulls last, pipeline nulls last, stage nulls last
        )
    end as bigint) as place,
    cast(exited_count as bigint) as exited_count,
    cast(advanced_count as bigint) as advanced_count,
    cast(lost_count as bigint) as lost_count,
    cast(rate as double) as rate,
    cast(round(shrunk_rate * 1e9) / 1e9 as double) as shrunk_rate,
    cast(rate_low as double) as shrunk_low,
    cast(rate_high as double) as shrunk_high,
    cast(usual_rate as double) as usual_rate,
    cast(block_count as bigint) as usual_block_count,
    {{ to_money('value_per_advanced') }} as value_per_advanced,
    {{ to_money('gross_value') }} as gross_value,
    {{ to_money('leak_value') }} as leak_value,
    {{ to_money('case when is_leak and is_comparable then exited_count * (usual_rate - rate_high) * value_per_advanced end') }} as leak_value_low,
    {{ to_money('case when is_leak and is_comparable then exited_count * (usual_rate - rate_low) * value_per_advanced end') }} as leak_value_high,
    cast(median_days as double) as median_days,
    cast(days_low as double) as median_days_low,
    cast(days_high as double) as median_days_high,
    cast(usual_days as double) as usual_days,
    cast(open_count as bigint) as open_count,
    cast(round(loss_hazard_per_day * 1e9) / 1e9 as double) as loss_hazard_per_day,
    {{ to_money('time_leak_value') }} as time_leak_value,
    cast(case
        when not is_comparable then 'too early: fewer than four blocks of 13 weeks before'
        when is_leak and is_slow then 'leak and slow' when is_leak then 'leak' when is_slow then 'slow' else 'within noise'
    end as string) as verdict,
    cast(top_reason as string) as top_reason,
    cast(top_count / nullif(cast(lost_count as double), 0) as double) as top_reason_share,
    cast(coalesce(missing_count, 0) / nullif(cast(lost_count as double), 0) as double) as reason_missing_share
from sized
