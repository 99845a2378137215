-- grain: one row per row of stage_conversion of a week, month or quarter
-- What a leak is measured by (S10): the conversion of the period beside what is usual for the same member, pipeline and stage. shrunk_rate is the
-- closed-only conversion drawn towards that of all members of the dimension in the period (S5); baseline_rate (c*) the median of the closed-only
-- conversions of the eight periods before in which anything was decided, so a young cohort is compared with older ones: read still_in_count
-- beside it. value_per_advanced (V) is the won value per deal that got further.
{%- set keys = ['period_grain', 'period_start', 'dimension', 'pipeline', 'stage'] %}
with decided as (
    select *, advanced_count + lost_count as decided_count
    from {{ ref('stage_conversion') }}
    where period_grain <> 'all' and period_start is not null
),

numbered as (
    select
        *, row_number() over (
            partition by period_grain, dimension, member_key, pipeline, stage order by period_start nulls last
        ) as period_number
    from decided
    where decided_count > 0
),

baselines as (
    select
        present.period_grain, present.period_start, present.dimension, present.member_key, present.pipeline, present.stage, count(*) as period_count,
        {{ median_of('earlier.closed_only_rate', 'true') }} as rate
    from numbered as present
    inner join numbered as earlier
        on present.period_grain = earlier.period_grain and present.dimension = earlier.dimension and present.member_key = earlier.member_key
        and present.pipeline = earlier.pipeline and present.stage = earlier.stage
        and earlier.period_number < present.period_number and earlier.period_number >= present.period_number - 8
    group by present.period_grain, present.period_start, present.dimension, present.member_key, present.pipeline, present.stage
),

priors as (
    select {{ keys | join(', ') }}, rate, strength from {{ prior_strength('decided', keys, 'advanced_count', 'decided_count') }} as strengths
)

select
    cast(decided.period_grain as string) as period_grain,
    cast(decided.period_start as date) as period_start,
    cast(decided.dimension as string) as dimension,
    cast(decided.member_key as string) as member_key,
    cast(decided.member as string) as member,
    cast(decided.pipeline as string) as pipeline,
    cast(decided.stage as string) as stage,
    cast(decided.entered_count as bigint) as entered_count,
    cast(decided.decided_count as bigint) as decided_count,
    cast(decided.still_in_count as bigint) as still_in_count,
    cast(decided.closed_only_rate as double) as closed_only_rate,
    cast(decided.closed_only_rate_low as double) as closed_only_rate_low,
    cast(decided.closed_only_rate_high as double) as closed_only_rate_high,
    cast(round(
        {{ shrunk_rate('decided.advanced_count', 'decided.decided_count', 'priors.rate', 'priors.strength') }} * 1e9
    ) / 1e9 as double) as shrunk_rate,
    cast(baselines.rate as double) as baseline_rate,
    cast(coalesce(baselines.period_count, 0) as bigint) as baseline_period_count,
    cast({{ to_money('decided.won_value / nullif(cast(decided.advanced_count as double), 0)') }} as decimal(18, 2)) as value_per_advanced
from decided
left join priors
    on decided.period_grain = priors.period_grain and decided.period_start = priors.period_start and decided.dimension = priors.dimension
    and decided.pipeline = priors.pipeline and decided.stage = priors.stage and decided.decided_count > 0
left join baselines
    on decided.period_grain = baselines.period_grain and decided.period_start = baselines.period_start and decided.dimension = baselines.dimension
    and decided.member_key = baselines.member_key and decided.pipeline = baselines.pipeline and decided.stage = baselines.stage
