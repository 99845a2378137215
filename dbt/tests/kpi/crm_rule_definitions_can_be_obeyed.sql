{{ config(meta={'dagster': {'ref': {'name': 'crm_rules'}}}) }}
-- what sales ops wrote in crm_rule_definitions and crm_rule_fields can be obeyed: known words, rules that hold on some day, one version at a time
with rules as (
    select *, ' ' || lower(trim(applies_to)) || ' ' as states from {{ ref('crm_rule_definitions') }}
)

select rule_id, version, 'no such rule: R01 to R20 are known' as problem from rules where not coalesce({{ matches('rule_id', "^R(0[1-9]|1[0-9]|20)$") }}, false)
union all
select rule_id, version, 'severity is error, warn or info, not ' || coalesce(severity, 'empty') from rules where coalesce(severity, '') not in ('error', 'warn', 'info')
union all
select rule_id, version, 'from_date is missing' from rules where from_date is null
union all
select rule_id, version, 'to_date is not after from_date: the rule holds on no day' from rules where to_date <= from_date
union all
select rule_id, version, 'applies_to names states of deals (open won lost), or lead for R18' from rules
where case when rule_id = 'R18' then states <> ' lead ' else replace(replace(replace(states, ' open ', ' '), ' won ', ' '), ' lost ', ' ') <> ' ' or states = '  ' end
union all
select rule_id, version, 'from_phase is early, qualified, proposal or negotiation, not ' || from_phase from rules
where trim(from_phase) <> '' and {{ phase_number('lower(trim(from_phase))') }} is null
union all
select rule_id, version, 'leads have neither phase nor pipeline: leave from_phase and pipeline empty' from rules
where rule_id = 'R18' and (trim(from_phase) <> '' or trim(pipeline) <> '')
union all
select rules.rule_id, rules.version, 'no pipeline is called ' || rules.pipeline from rules
left join {{ ref('stages') }} as stages on lower(trim(rules.pipeline)) in (lower(stages.pipeline), lower(stages.pipeline_id))
where trim(rules.pipeline) <> '' and stages.pipeline_id is null
union all
select rules.rule_id, rules.version, 'holds on the same days and deals as version ' || cast(others.version as string) || ': end one where the other begins'
from rules
inner join rules as others
    on rules.rule_id = others.rule_id and rules.version > others.version and (rules.from_date < others.to_date or others.to_date is null)
    and (others.from_date < rules.to_date or rules.to_date is null)
    and (coalesce(trim(rules.pipeline), '') in ('', coalesce(trim(others.pipeline), '')) or coalesce(trim(others.pipeline), '') = '')
union all
select rule_id, version, 'version is given twice' from rules group by rule_id, version having count(*) > 1
union all
select rule_id, version, 'a limit that the rule reads is empty: limit_days' from rules
where rule_id in ('R05', 'R06', 'R11', 'R12', 'R14', 'R15', 'R18') and limit_days is null
union all
select rule_id, version, 'a limit that the rule reads is empty: limit_count' from rules
where rule_id in ('R05', 'R11', 'R13', 'R15', 'R19', 'R20') and limit_count is null
union all
select rule_id, version, 'a limit that the rule reads is empty: limit_share (0 to 1)' from rules where rule_id = 'R05' and coalesce(limit_share, -1) not between 0 and 1
union all
select rule_id, version, 'what_to_do is empty' from rules where coalesce(trim(what_to_do), '') = ''
union all
select fields.rule_id, fields.version, 'a field or phase of crm_rule_fields is unknown: ' || coalesce(fields.phase, '') || ' ' || coalesce(fields.field, '')
from {{ ref('crm_rule_fields') }} as fields
where {{ phase_number('fields.phase') }} is null
    or coalesce(fields.field, '') not in (
        'amount', 'close_date', 'lead_source', 'contact', 'company', 'decision_maker', 'next_step', 'next_step_date', 'competitor', 'legal_date', 'signed_date',
        'term_months', 'loss_reason'
    )
union all
select fields.rule_id, fields.version, 'crm_rule_fields speaks of a version that crm_rule_definitions does not have'
from {{ ref('crm_rule_fields') }} as fields
left join rules on fields.rule_id = rules.rule_id and fields.version = rules.version
where rules.rule_id is null
