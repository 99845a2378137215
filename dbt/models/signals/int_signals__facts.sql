-- grain: one row per metric and what it counts: a decided or won deal, an accepted one, a lead, a stage that was left, a contract that ended
-- What weekly series are made of (S1, S3, S9). fact_date is the local day on which the count was known: a young cohort counts when it has the
-- age at which all are compared (leads at 28 days, accepted deals at 90, ended contracts at 60), so that no week is judged by what came later.
-- kind: rate (is 1 or 0), mean or value of each; is_bulk: it fell within a bulk edit (R20), which says something of the clean-up, not of selling.
{%- set dims = ['owner_key', 'owner', 'team', 'segment', 'industry', 'country', 'source', 'product', 'order_type', 'deal_size_band', 'pipeline'] %}
{%- set deal_dims = dims | join(', ') %}
{%- set day = as_of_date() %}
with deals as (
    select facts.*, bulk.deal_key is not null as is_bulk
    from {{ ref('int_kpi__deals') }} as facts
    left join (select distinct deal_key, changed_at from {{ ref('int_kpi__bulk_changes') }}) as bulk
        on facts.deal_key = bulk.deal_key and facts.closed_at = bulk.changed_at
),

stage_exits as (
    select visits.*, bulk.deal_key is not null as is_bulk
    from {{ ref('int_kpi__stage_visits') }} as visits
    left join (select distinct deal_key, changed_at from {{ ref('int_kpi__bulk_changes') }}) as bulk
        on visits.deal_key = bulk.deal_key and visits.exited_at = bulk.changed_at
    where visits.exit_kind in ('advanced', 'skipped_ahead', 'won', 'lost', 'disqualified') and visits.stage is not null
),

followed as (
    select distinct contracts.contract_key
    from {{ ref('contracts') }} as contracts
    inner join {{ ref('contracts') }} as later
        on contracts.customer_key = later.customer_key and contracts.contract_key <> later.contract_key and later.start_date > contracts.start_date
        and later.start_date <= cast(contracts.end_date + interval 61 day as date)
        and coalesce(later.end_date, cast('9999-12-31' as date)) > contracts.end_date
),

ended as (
    select
        contracts.*, cast(contracts.end_date + interval 61 day as date) as fact_date, case when followed.contract_key is null then 1 else 0 end as is_churned
    from {{ ref('contracts') }} as contracts
    left join followed on contracts.contract_key = followed.contract_key
    where contracts.end_date is not null
),

facts as (
    select
        'win_rate' as metric, 'rate' as kind, 'all' as part, booking_date as fact_date, case life_state when 'won' then 1.0 else 0.0 end as value,
        is_bulk, {{ deal_dims }}
    from deals where is_rate_deal and life_state in ('won', 'lost')
    union all
    select 'bookings', 'value', 'all', booking_date, amount_base, is_bulk, {{ deal_dims }}
    from deals where life_state = 'won' and order_type <> 'contraction'
    union all
    select 'sales_cycle', 'mean', 'all', booking_date, ln(1 + booking_age_days), is_bulk, {{ deal_dims }}
    from deals where is_rate_deal and life_state = 'won' and booking_age_days >= 0
    union all
    select 'deal_size', 'mean', 'all', booking_date, ln(cast(amount_base as double)), is_bulk, {{ deal_dims }}
    from deals where is_rate_deal and life_state = 'won' and amount_base > 0
    union all
    select
        'pipeline_created', 'value', 'all', sao_date, created_amount_base, false, sao_owner_key, sao_owner, sao_team,
        {{ dims[3:] | join(', ') }}
    from deals where sao_date is not null
    union all
    select
        'win_within_90_days', 'rate', 'all', cast(sao_date + interval 90 day as date),
        case when life_state = 'won' and close_days <= 90 then 1.0 else 0.0 end, false, sao_owner_key, sao_owner, sao_team, {{ dims[3:] | join(', ') }}
    from deals where is_cohort_deal
    union all
    select
        'response_within_sla', 'rate', 'all', created_date, case response_state when 'met' then 1.0 else 0.0 end, false, {{ deal_dims }}
    from {{ ref('int_kpi__lead_facts') }} where response_state in ('met', 'breached')
    union all
    select
        'lead_to_sao', 'rate', 'all', cast(created_date + interval 28 day as date),
        case when accepted_date <= cast(created_date + interval 28 day as date) then 1.0 else 0.0 end, false, {{ deal_dims }}
    from {{ ref('int_kpi__lead_facts') }}
    union all
    select
        'stage_conversion', 'rate', visited_pipeline || ' > ' || stage, exit_date,
        case when exit_kind in ('lost', 'disqualified') then 0.0 else 1.0 end, is_bulk, {{ deal_dims }}
    from stage_exits
    union all
    select
        'churn', 'rate', 'all', ended.fact_date, ended.is_churned, false, ended.acquiring_owner_key,
        coalesce(owners.name, owners.email, ended.acquiring_owner_key), ended.acquiring_team, ended.segment_at_win, ended.industry_at_win,
        ended.country_at_win, ended.source_at_win, cast(null as string), cast(null as string), cast(null as string), cast(null as string)
    from ended
    left join {{ ref('owners') }} as owners on ended.acquiring_owner_key = owners.owner_key
)

select metric, kind, part, {{ week_start('fact_date') }} as week_start, cast(value as double) as value, is_bulk, {{ deal_dims }}
from facts
where fact_date is not null and cast({{ week_start('fact_date') }} + interval 7 day as date) <= {{ day }}
