{{ config(materialized='table', schema='sellers', database=('warehouse' if target.type == 'duckdb' else none)) }}
-- grain: one row per scope, measure (win, or getting further from a stage), pipeline and stage, segment (or all of the seller's mix), and seller
-- with a decided deal there; in one segment only sellers with 10 of them
-- M21: what a seller achieved against what the others achieve on the same mix of segments. expected_count = sum over the seller's own
-- decided deals of the others' rate in the deal's segment (all other sellers of the company; where they have none there, their rate over
-- all segments). index_oe = successes / expected. The shrunk rate has the expected rate as its prior mean, with the strength of S5 over all
-- sellers of the measure. Never rank by it, never colour below 10 decided (is_rankable); a new starter stands apart.
{%- set keys = ['scope', 'measure', 'pipeline', 'stage', 'segment'] %}
with facts as (
    select scope, measure, coalesce(pipeline, 'all') as pipeline, coalesce(stage, 'all') as stage, owner_key, owner, segment as deal_segment, is_success
    from {{ ref('int_kpi__seller_facts') }}
),

deal_cells as (
    select {{ keys[:4] | join(', ') }}, owner_key, max(owner) as owner, deal_segment, sum(is_success) as success_count, count(*) as decided_count
    from facts
    group by {{ keys[:4] | join(', ') }}, owner_key, deal_segment
),

-- the whole mix; and each segment by itself, where the others' rate in it is what is expected, and nothing where they have none
cells as (
    select *, 'all' as segment from deal_cells
    union all
    select *, deal_segment from deal_cells where deal_segment not in ('unknown', 'all')
),

others as (
    select
        *,
        sum(success_count) over (partition by {{ keys | join(', ') }}, deal_segment) - success_count as others_success_count,
        sum(decided_count) over (partition by {{ keys | join(', ') }}, deal_segment) - decided_count as others_decided_count,
        sum(success_count) over (partition by {{ keys | join(', ') }}) - sum(success_count) over (partition by {{ keys | join(', ') }}, owner_key) as rest_success_count,
        sum(decided_count) over (partition by {{ keys | join(', ') }}) - sum(decided_count) over (partition by {{ keys | join(', ') }}, owner_key) as rest_decided_count
    from cells
),

sellers as (
    select
        {{ keys | join(', ') }}, owner_key, max(owner) as owner, sum(success_count) as success_count, sum(decided_count) as decided_count,
        max(rest_decided_count) as others_decided_count,
        -- the others are a sample too: what that adds to the variance of the difference
        sum(decided_count * decided_count / nullif(cast(case when others_decided_count > 0 then others_decided_count else rest_decided_count end as double), 0)) as borrowed,
        sum(decided_count * coalesce(
            others_success_count / nullif(cast(others_decided_count as double), 0), rest_success_count / nullif(cast(rest_decided_count as double), 0)
        )) as expected_count
    from others
    group by {{ keys | join(', ') }}, owner_key
),

strengths as (
    select {{ keys | join(', ') }}, strength from {{ prior_strength('sellers', keys, 'success_count', 'decided_count') }} as priors
),

rates as (
    select
        sellers.*, strengths.strength, sellers.expected_count / sellers.decided_count as prior_mean,
        (sellers.success_count + sellers.expected_count / sellers.decided_count * sellers.others_decided_count)
        / nullif(cast(sellers.decided_count + sellers.others_decided_count as double), 0) as pooled_rate
    from sellers
    inner join strengths
        on sellers.scope = strengths.scope and sellers.measure = strengths.measure and sellers.pipeline = strengths.pipeline and sellers.stage = strengths.stage
        and sellers.segment = strengths.segment
    where sellers.segment = 'all' or sellers.decided_count >= 10
),

posteriors as (
    select
        *, success_count + prior_mean * strength as a, decided_count - success_count + (1 - prior_mean) * strength as b,
        round(((success_count - expected_count) / nullif(sqrt(pooled_rate * (1 - pooled_rate) * (decided_count + borrowed)), 0)) * 1e6) / 1e6 as z
    from rates
),

-- of a segment only where the difference alone could be clear: the posterior is costly
asked as (
    select * from posteriors where expected_count is not null and (segment = 'all' or abs(z) > 1.95)
),

intervals as (
    select * from {{ beta_summary('asked', keys + ['owner_key'], 'a', 'b', 'prior_mean') }} as betas
)

select
    {%- for key in keys %}
    rates.{{ key }},
    {%- endfor %}
    rates.owner_key, rates.owner, cast(rates.success_count as bigint) as success_count, cast(rates.decided_count as bigint) as decided_count,
    cast(rates.others_decided_count as bigint) as others_decided_count, round(rates.expected_count * 1e9) / 1e9 as expected_count,
    round(rates.prior_mean * 1e9) / 1e9 as expected_rate, case when rates.expected_count is not null then round(rates.strength * 1e6) / 1e6 end as prior_strength,
    round((rates.a / nullif(rates.a + rates.b, 0)) * 1e9) / 1e9 as shrunk_rate,
    intervals.low as shrunk_low, intervals.high as shrunk_high, intervals.above as p_above, rates.z
from posteriors as rates
left join intervals
    on rates.scope = intervals.scope and rates.measure = intervals.measure and rates.pipeline = intervals.pipeline and rates.stage = intervals.stage
    and rates.segment = intervals.segment and rates.owner_key = intervals.owner_key
