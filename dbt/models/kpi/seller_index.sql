-- grain: one row per scope, measure (win, or getting further from a stage), pipeline and stage, and seller with a decided deal
-- M21: what a seller achieved against what the others achieve on the same mix of segments. expected_count = sum over the seller's own
-- decided deals of the others' rate in the deal's segment (all other sellers of the company; where they have none there, their rate over
-- all segments). index_oe = successes / expected. The shrunk rate has the expected rate as its prior mean, with the strength of S5 over all
-- sellers of the measure. Never rank by it, never colour below 10 decided (is_rankable); a new starter stands apart.
{%- set keys = ['scope', 'measure', 'pipeline', 'stage'] %}
with facts as (
    select scope, measure, coalesce(pipeline, 'all') as pipeline, coalesce(stage, 'all') as stage, owner_key, owner, segment, is_success
    from {{ ref('int_kpi__seller_facts') }}
),

cells as (
    select {{ keys | join(', ') }}, owner_key, max(owner) as owner, segment, sum(is_success) as success_count, count(*) as decided_count
    from facts
    group by {{ keys | join(', ') }}, owner_key, segment
),

others as (
    select
        *,
        sum(success_count) over (partition by {{ keys | join(', ') }}, segment) - success_count as others_success_count,
        sum(decided_count) over (partition by {{ keys | join(', ') }}, segment) - decided_count as others_decided_count,
        sum(success_count) over (partition by {{ keys | join(', ') }}) - sum(success_count) over (partition by {{ keys | join(', ') }}, owner_key) as rest_success_count,
        sum(decided_count) over (partition by {{ keys | join(', ') }}) - sum(decided_count) over (partition by {{ keys | join(', ') }}, owner_key) as rest_decided_count
    from cells
),

sellers as (
    select
        {{ keys | join(', ') }}, owner_key, max(owner) as owner, sum(success_count) as success_count, sum(decided_count) as decided_count,
        sum(decided_count * coalesce(
            others_success_count / nullif(cast(others_decided_count as double), 0), rest_success_count / nullif(cast(rest_decided_count as double), 0)
        )) as expected_count
    from others
    group by {{ keys | join(', ') }}, owner_key
),

strengths as (
    select {{ keys | join(', ') }}, strength from {{ prior_strength('sellers', keys, 'success_count', 'decided_count') }} as priors
),

posteriors as (
    select
        sellers.*, strengths.strength, sellers.expected_count / sellers.decided_count as prior_mean,
        sellers.success_count + sellers.expected_count / sellers.decided_count * strengths.strength as a,
        sellers.decided_count - sellers.success_count + (1 - sellers.expected_count / sellers.decided_count) * strengths.strength as b
    from sellers
    inner join strengths
        on sellers.scope = strengths.scope and sellers.measure = strengths.measure and sellers.pipeline = strengths.pipeline and sellers.stage = strengths.stage
    where sellers.expected_count is not null
),

intervals as (
    select * from {{ beta_summary('posteriors', keys + ['owner_key'], 'a', 'b', 'prior_mean') }} as betas
)

select
    cast(sellers.scope as string) as scope,
    cast(sellers.measure as string) as measure,
    cast(sellers.pipeline as string) as pipeline,
    cast(sellers.stage as string) as stage,
    cast(sellers.owner_key as string) as owner_key,
    cast(sellers.owner as string) as owner,
    cast(sellers.success_count as bigint) as success_count,
    cast(sellers.decided_count as bigint) as decided_count,
    cast(sellers.success_count / cast(sellers.decided_count as double) as double) as observed_rate,
    cast(round(sellers.expected_count * 1e9) / 1e9 as double) as expected_count,
    cast(round((sellers.success_count / nullif(sellers.expected_count, 0)) * 1e9) / 1e9 as double) as index_oe,
    cast(round(posteriors.prior_mean * 1e9) / 1e9 as double) as expected_rate,
    cast(round(posteriors.strength * 1e6) / 1e6 as double) as prior_strength,
    cast(round((posteriors.a / nullif(posteriors.a + posteriors.b, 0)) * 1e9) / 1e9 as double) as shrunk_rate,
    cast(intervals.low as double) as shrunk_low,
    cast(intervals.high as double) as shrunk_high,
    cast(intervals.above as double) as p_above_team,
    cast(sellers.decided_count >= 10 as boolean) as is_rankable,
    cast(coalesce(owners.started_date > cast({{ as_of_date() }} - interval 6 month as date), false) as boolean) as is_new_starter
from sellers
left join posteriors
    on sellers.scope = posteriors.scope and sellers.measure = posteriors.measure and sellers.pipeline = posteriors.pipeline and sellers.stage = posteriors.stage
    and sellers.owner_key = posteriors.owner_key
left join intervals
    on sellers.scope = intervals.scope and sellers.measure = intervals.measure and sellers.pipeline = intervals.pipeline and sellers.stage = intervals.stage
    and sellers.owner_key = intervals.owner_key
left join {{ ref('owners') }} as owners on sellers.owner_key = owners.owner_key
