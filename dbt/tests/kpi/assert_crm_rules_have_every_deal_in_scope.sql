{{ config(meta={'dagster': {'ref': {'name': 'crm_rules'}}}) }}
-- I22: pass + fail + not_applicable = what is in the rule's scope, for every period, dimension and member: counted here from the states of the
-- deals and the leads on the day, and from the definitions as sales ops wrote them
with snapshots as (
    select distinct snapshot_date from {{ ref('int_kpi__rule_snapshots') }}
),

rules as (
    select * from {{ ref('crm_rule_definitions') }}
),

scope as (
    select
        snapshots.snapshot_date, rules.rule_id, days.owner_key, days.owner, days.team, days.segment, days.industry, days.country, days.source, days.product,
        days.order_type, days.deal_size_band, days.pipeline
    from snapshots
    inner join rules on rules.from_date <= snapshots.snapshot_date and (rules.to_date > snapshots.snapshot_date or rules.to_date is null)
    inner join {{ ref('int_kpi__deal_days') }} as days
        on days.first_date <= snapshots.snapshot_date and (days.end_date > snapshots.snapshot_date or days.end_date is null)
        and rules.applies_to like '%' || days.life_state || '%'
        and (days.life_state = 'open' or rules.closed_days is null or {{ days_between('days.closed_on', 'snapshots.snapshot_date') }} < rules.closed_days)
        and coalesce(lower(trim(rules.pipeline)), '') in ('', lower(days.pipeline), lower(days.pipeline_id))
    union all
    select
        snapshots.snapshot_date, rules.rule_id, facts.owner_key, facts.owner, facts.team, facts.segment, facts.industry, facts.country, facts.source,
        facts.product, facts.order_type, facts.deal_size_band, facts.pipeline
    from snapshots
    inner join rules
        on rules.rule_id = 'R18' and rules.from_date <= snapshots.snapshot_date and (rules.to_date > snapshots.snapshot_date or rules.to_date is null)
    inner join {{ ref('leads') }} as leads
        on leads.created_date <= snapshots.snapshot_date and (
            leads.dispositioned_at is null
            or {{ days_between(local_date('leads.dispositioned_at'), 'snapshots.snapshot_date') }} < coalesce(rules.closed_days, 100000)
        )
    inner join {{ ref('int_kpi__lead_facts') }} as facts on leads.lead_key = facts.lead_key
),

expected as (
    select snapshot_date, rule_id, dimension, member_key, count(*) as scope_count
    from {{ cut_members('scope', ['snapshot_date', 'rule_id']) }} as members
    group by snapshot_date, rule_id, dimension, member_key
),

found as (
    select
        snapshots.period_grain, snapshots.period_start, snapshots.snapshot_date, expected.rule_id, expected.dimension, expected.member_key, expected.scope_count
    from {{ ref('int_kpi__rule_snapshots') }} as snapshots
    inner join expected on snapshots.snapshot_date = expected.snapshot_date
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
