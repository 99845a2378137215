-- grain: one row per source record, field and problem; the record is in the marts all the same unless the problem says `refused`
with found as (
    select source, object, record_id, field, value, problem, first_seen_at from {{ ref('int_pipeline__source_problems') }}
    union all
    select source, 'deals', deal_id, 'exclusion', name, 'deal does not count: ' || exclusion_reason, known_from from {{ ref('deals') }} where is_excluded
    union all
    select source, 'deals', deal_id, 'createdate', cast(created_date as string), 'closed before it was accepted: out of durations', known_from
    from {{ ref('deals') }} where booking_date < sao_date and life_state in ('won', 'lost')
    union all
    select source, 'deals', deal_id, 'createdate', cast(null as string), 'deal without any date: out of durations', known_from
    from {{ ref('deals') }} where created_at is null and closed_at is null
    union all
    select source, 'deals', deal_id, 'currency', currency, 'amount in a currency without a rate: in no sum', known_from
    from {{ ref('deals') }} where amount is not null and amount_base is null
    union all
    select source, 'deals', deal_id, 'currency', currency, 'amount at an exchange rate more than five days old', known_from
    from {{ ref('deals') }} where is_rate_stale
    union all
    select source, 'contracts', contract_id, 'currency', currency, 'contract in a currency without a rate: the customer is out of retention', known_from
    from {{ ref('contracts') }} where arr is not null and arr_base is null
    union all
    select
        'spreadsheets', 'targets', coalesce(owner_key, team) || ' ' || cast(month as string), 'currency', currency,
        'target in a currency without a rate: not counted', known_from
    from {{ ref('targets') }} where target_base is null
    union all
    select
        source, 'stages', pipeline_id, 'stage_id', stage || ' (' || stage_id || ')',
        'stage is in neither stage_phases nor stage_map: rank and phase are derived', cast(null as {{ instant_type() }})
    from {{ ref('stages') }} where is_derived and life_state = 'open' and source <> 'spreadsheets'
    union all
    select
        source, 'contracts', contract_id, 'company', company,
        'contract of a company that no source knows, or of a name that several bear: counted under the name as typed; name the deal', known_from
    from {{ ref('contracts') }} where company_key is null
    union all
    select
        source, 'contracts', contract_id, case when arr is null then 'hs_term_in_months' else 'amount' end, cast(arr as string),
        'recurring line item without a term or a value, or below zero: the customer is out of retention', known_from
    from {{ ref('contracts') }} where source <> 'spreadsheets' and coalesce(arr, -1) < 0
    union all
    select
        source, 'crm_rules', rule_id, field, cast(null as string), 'the source does not send what the rule reads: not asked for, and the rule is not judged without any of it',
        cast(null as {{ instant_type() }})
    from {{ ref('int_kpi__rule_inputs') }} where not is_landed
    union all
    select
        'spreadsheets', 'rulings', ruling_key, 'ruling', left_record || ' ' || ruling || ' ' || right_record,
        'ruling is not followed: ' || coalesce(contradiction, state), known_from
    from {{ ref('match_rulings') }} where state in ('record unknown', 'a contact and a company', 'contradicts others')
)

select
    cast(source as string) as source,
    cast(object as string) as object,
    cast(record_id as string) as record_id,
    cast(field as string) as field,
    cast(value as string) as value,
    cast(problem as string) as problem,
    min(first_seen_at) as first_seen_at
from found
group by source, object, record_id, field, value, problem
