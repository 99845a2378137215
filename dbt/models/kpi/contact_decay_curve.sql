-- grain: one row per dimension (company, country, source, segment), member and day since a proof on which a contact went wrong or was last followed
-- M31: Kaplan-Meier from each proof to the failure; the next proof and E censor (S2). Days are whole days begun: a failure within the first is day 1.
{%- set keys = ['dimension', 'member_key'] %}
with spells as (
    select members.dimension, members.member_key, cast(greatest(ceil(spells.days), 1) as bigint) as day, spells.is_failure
    from {{ ref('int_kpi__contact_members') }} as members
    inner join {{ ref('int_kpi__contact_spells') }} as spells on members.contact_key = spells.contact_key
),

days as (
    select
        dimension, member_key, day, count(*) filter (where is_failure) as failure_count, count(*) filter (where not is_failure) as censored_count
    from spells
    group by dimension, member_key, day
),

estimated as (
    select
        *, {{ km_survival('failure_count', keys, 'day') }} as survival, {{ greenwood_variance('failure_count', keys, 'day') }} as variance
    from {{ risk_sets('days', keys, 'day', 'failure_count', 'failure_count + censored_count') }} as at_risk
)

select
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(member_key as string) as member,
    cast(day as bigint) as day,
    cast(at_risk_count as bigint) as at_risk_count,
    cast(failure_count as bigint) as failure_count,
    cast(censored_count as bigint) as censored_count,
    cast(survival as double) as survival,
    cast({{ greenwood('survival', 'variance', 1) }} as double) as survival_low,
    cast({{ greenwood('survival', 'variance', -1) }} as double) as survival_high
from estimated
