-- grain: one row per scope, measure (win, or getting further from a stage), pipeline and stage, and seller with a decided deal
-- M21: what a seller achieved against what the others achieve on the same mix of segments. expected_count = sum over the seller's own
-- decided deals of the others' rate in the deal's segment (all other sellers of the company; where they have none there, their rate over
-- all segments). index_oe = successes / expected. The shrunk rate has the expected rate as its prior mean, with the strength of S5 over all
-- sellers of the measure. Never rank by it, never colour below 10 decided (is_rankable); a new starter stands apart. `standing` is of one seller
-- looked at alone: among many, one in forty stands out by chance; coaching allows for it.
select
    cast(rates.scope as string) as scope,
    cast(rates.measure as string) as measure,
    cast(rates.pipeline as string) as pipeline,
    cast(rates.stage as string) as stage,
    cast(rates.owner_key as string) as owner_key,
    cast(rates.owner as string) as owner,
    cast(rates.success_count as bigint) as success_count,
    cast(rates.decided_count as bigint) as decided_count,
    cast(rates.success_count / cast(rates.decided_count as double) as double) as observed_rate,
    cast(rates.expected_count as double) as expected_count,
    cast(round((rates.success_count / nullif(rates.expected_count, 0)) * 1e9) / 1e9 as double) as index_oe,
    cast(rates.expected_rate as double) as expected_rate,
    cast(rates.prior_strength as double) as prior_strength,
    cast(rates.shrunk_rate as double) as shrunk_rate,
    cast(rates.shrunk_low as double) as shrunk_low,
    cast(rates.shrunk_high as double) as shrunk_high,
    cast(rates.p_above as double) as p_above_team,
    cast(rates.decided_count >= 10 as boolean) as is_rankable,
    cast(coalesce(owners.started_date > cast({{ as_of_date() }} - interval 6 month as date), false) as boolean) as is_new_starter,
    cast(case
        when rates.decided_count < 10 then 'too_few'
        when rates.p_above > 0.975 then 'above'
        when rates.p_above < 0.025 then 'below'
        else 'within_noise'
    end as string) as standing
from {{ ref('int_kpi__seller_rates') }} as rates
left join {{ ref('owners') }} as owners on rates.owner_key = owners.owner_key
where rates.segment = 'all'
