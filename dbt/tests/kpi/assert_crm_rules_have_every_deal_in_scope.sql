{{ config(meta={'dagster': {'ref': {'name': 'crm_rules'}}}) }}
-- I22: pass + fail + not_applicable = what is in the rule's scope, for every period, dimension and member: counted here from the states of the
-- deals and the leads on the day, and from the definitions as sales ops wrote them
with snapshots as (
    select distinct snapshot_date from {{ ref('int_kpi__rule_snapshots') }}
),

-- rules with the same scope share its count
rules as (
    select
        rule_id, from_date, to_date, closed_days, lower(applies_to) as applies_to, coalesce(lower(trim(pipeline)), '') as pipeline, rule_id = 'R18' as is_of_leads,
        dense_rank() over (
            order by rule_id = 'R18' nulls last, from_date nulls last, to_date nulls last, closed_days nulls last, lower(applies_to) nulls last,
                coalesce(lower(trim(pipeline)), '') nulls last
        ) as scope_number
    from {{ ref('crm_rule_definitions') }}
),

scopes as (
    select distinct from_date, to_date, closed_days, applies_to, pipeline, is_of_leads, scope_number from rules
),

scope as (
    select
        snapshots.snapshot_date, scopes.scope_number, days.owner_key, days.owner, days.team, days.segment, days.industry, days.country, days.source,
        days.product, days.order_type, days.deal_size_band, days.pipeline
    from snapshots
    inner join scopes on scopes.from_date <= snapshots.snapshot_date and (scopes.to_date > snapshots.snapshot_date or scopes.to_date is null)
    inner join {{ ref('int_kpi__deal_days') }} as days
        on days.first_date <= snapshots.snapshot_date and (days.end_date > snapshots.snapshot_date or days.end_date is null)
        and scopes.applies_to like '%' || days.life_state || '%'
        and (days.life_state = 'open' or scopes.closed_days is null or {{ days_between('days.closed_on', 'snapshots.snapshot_date') }} < scopes.closed_days)
        and scopes.pipeline in ('', lower(days.pipeline), lower(days.pipeline_id))
    union all
    select
        snapshots.snapshot_date, scopes.scope_number, facts.owner_key, facts.owner, facts.team, facts.segment, facts.industry, facts.country, facts.source,
        facts.product, facts.order_type, facts.deal_size_band, facts.pipeline
    from snapshots
    inner join scopes
        on scopes.is_of_leads and scopes.from_date <= snapshots.snapshot_date and (scopes.to_date > snapshots.snapshot_date or scopes.to_date is null)
    inner join {{ ref('leads') }} as leads
        on leads.created_date <= snapshots.snapshot_date and (
            leads.dispositioned_at is null
            or {{ days_between(local_date('leads.dispositioned_at'), 'snapshots.snapshot_date') }} < coalesce(scopes.closed_days, 100000)
        )
    inner join {{ ref('int_kpi__lead_facts') }} as facts on leads.lead_key = facts.lead_key
),

counted as (
    select snapshot_date, scope_number, dimension, member_key, count(*) as scope_count
    from {{ cut_members('scope', ['snapshot_date', 'scope_number']) }} as members
    group by snapshot_date, scope_number, dimension, member_key
),

-- by rule, not by version: two versions of a rule judge side by side what each has in scope
found as (
    select
        snapshots.period_grain, snapshots.period_start, snapshots.snapshot_date, rules.rule_id, counted.dimension, counted.member_key,
        sum(counted.scope_count) as scope_count
    from {{ ref('int_kpi__rule_snapshots') }} as snapshots
    inner join counted on snapshots.snapshot_date = counted.snapshot_date
    inner join rules on counted.scope_number = rules.scope_number
    group by snapshots.period_grain, snapshots.period_start, snapshots.snapshot_date, rules.rule_id, counted.dimension, counted.member_key
)

select
    coalesce(found.period_grain, marts.period_grain) as period_grain, coalesce(found.period_start, marts.period_start) as period_start,
    coalesce(found.rule_id, marts.rule_id) as rule_id, coalesce(found.dimension, marts.dimension) as dimension,
    coalesce(found.member_key, marts.member_key) as member_key, found.scope_count, marts.pass_count, marts.fail_count, marts.not_applicable_count
from found
full join {{ ref('crm_rules') }} as marts
    on found.period_grain = marts.period_grain and coalesce(found.period_start, cast('1900-01-01' as date)) = coalesce(marts.period_start, cast('1900-01-01' as date))
    and found.rule_id = marts.rule_id and found.dimension = marts.dimension and found.member_key = marts.member_key
where coalesce(found.scope_count, 0) <> coalesce(marts.pass_count + marts.fail_count + marts.not_applicable_count, 0)
