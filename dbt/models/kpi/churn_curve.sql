-- grain: one row per dimension and member that acquired a customer, and day since the first contract began on which a customer lapsed or was last seen
-- M27, early churn: Kaplan-Meier from the start of the first contract to the first day without one, running customers censored (S2); a pause of at
-- most 60 days is none. 1 - survival is the chance to have lapsed by that day. Associated with the member, not caused by it.
{%- set keys = ['dimension', 'member_key'] %}
with days as (
    select
        dimension, member_key, max(member) as member, lived_days as day, sum(has_lapsed) as lapsed_count, count(*) - sum(has_lapsed) as censored_count
    from {{ ref('int_kpi__acquired_members') }}
    group by dimension, member_key, lived_days
),

estimated as (
    select
        *, {{ km_survival('lapsed_count', keys, 'day') }} as survival, {{ greenwood_variance('lapsed_count', keys, 'day') }} as variance
    from {{ risk_sets('days', keys, 'day', 'lapsed_count', 'lapsed_count + censored_count') }} as at_risk
)

select
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(member as string) as member,
    cast(day as bigint) as day,
    cast(at_risk_count as bigint) as at_risk_count,
    cast(lapsed_count as bigint) as lapsed_count,
    cast(censored_count as bigint) as censored_count,
    cast(survival as double) as survival,
    cast({{ greenwood('survival', 'variance', 1) }} as double) as survival_low,
    cast({{ greenwood('survival', 'variance', -1) }} as double) as survival_high
from estimated
