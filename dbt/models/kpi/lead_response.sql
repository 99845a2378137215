-- grain: one row per period grain, period (of the lead's local creation day), dimension and member with a lead
-- M16 as of E: unanswered leads are censored, not dropped, and breached once their own running time exceeds the SLA; leads not yet due
-- are outside the rate. lead_count = answered + unanswered + already_in_contact + excluded (I15). The Kaplan-Meier median is the
-- smallest number of business minutes at which at most half are still waiting; NULL while more than half are.
with members as (
    select *
    from {{ cut(
        ref('int_kpi__lead_facts'), 'created_date', ['response_state', 'is_answered', 'response_business_minutes', 'observed_business_minutes']
    ) }} as facts
    where dimension not in ('order_type', 'product', 'deal_size_band')
),

counted as (
    select
        period_grain, period_start, dimension, member_key, max(member) as member,
        count(*) as lead_count,
        count(*) filter (where is_answered) as answered_count,
        count(*) filter (where not is_answered and response_state in ('breached', 'not_due')) as unanswered_count,
        {%- for state in ['met', 'breached', 'not_due', 'already_in_contact', 'excluded'] %}
        count(*) filter (where response_state = '{{ state }}') as {{ state }}_count,
        {%- endfor %}
        {{ median_of('response_business_minutes', 'is_answered') }} as answered_median
    from members
    group by period_grain, period_start, dimension, member_key
),

steps as (
    select
        period_grain, period_start, dimension, member_key, observed_business_minutes,
        count(*) filter (where is_answered) as event_count, count(*) as step_count
    from members
    where observed_business_minutes is not null
    group by period_grain, period_start, dimension, member_key, observed_business_minutes
),

survived as (
    select
        *, {{ km_survival('event_count', ['period_grain', 'period_start', 'dimension', 'member_key'], 'observed_business_minutes') }} as survival
    from {{ risk_sets(
        'steps', ['period_grain', 'period_start', 'dimension', 'member_key'], 'observed_business_minutes', 'event_count', 'step_count'
    ) }} as at_risk
),

medians as (
    select period_grain, period_start, dimension, member_key, min(observed_business_minutes) filter (where survival <= 0.5) as median_km
    from survived
    group by period_grain, period_start, dimension, member_key
)

select
    cast(counted.period_grain as string) as period_grain,
    cast(counted.period_start as date) as period_start,
    cast(counted.dimension as string) as dimension,
    cast(counted.member_key as string) as member_key,
    cast(counted.member as string) as member,
    cast(counted.lead_count as bigint) as lead_count,
    cast(counted.answered_count as bigint) as answered_count,
    cast(counted.unanswered_count as bigint) as unanswered_count,
    cast(counted.already_in_contact_count as bigint) as already_in_contact_count,
    cast(counted.excluded_count as bigint) as excluded_count,
    cast(counted.met_count as bigint) as met_count,
    cast(counted.breached_count as bigint) as breached_count,
    cast(counted.not_due_count as bigint) as not_due_count,
    cast(counted.met_count / nullif(cast(counted.met_count + counted.breached_count as double), 0) as double) as within_sla_rate,
    cast(medians.median_km as double) as median_km_business_minutes,
    cast(counted.answered_median as double) as answered_median_business_minutes,
    cast(counted.unanswered_count / nullif(cast(counted.answered_count + counted.unanswered_count as double), 0) as double) as unanswered_share
from counted
left join medians
    on counted.period_grain = medians.period_grain and counted.period_start is not distinct from medians.period_start
    and counted.dimension = medians.dimension and counted.member_key = medians.member_key
