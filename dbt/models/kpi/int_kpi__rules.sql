{{ config(materialized=intermediate()) }}
-- grain: one row per CRM rule and version, as sales ops wrote it; a row that cannot be obeyed judges nothing: crm_rule_definitions_can_be_obeyed names it
select
    rule_id, version, title, lower(trim(applies_to)) as applies_to, lower(nullif(trim(pipeline), '')) as pipeline, lower(nullif(trim(from_phase), '')) as from_phase,
    {{ phase_number('lower(trim(from_phase))') }} as from_phase_number, severity, from_date, to_date, rule_owner, coalesce(grace_days, 0) as grace_days,
    limit_days, late_limit_days, limit_count, limit_amount, limit_share, '|' || lower(replace(coalesce(words, ''), ' ', '')) || '|' as words, closed_days, what_to_do
from {{ ref('crm_rule_definitions') }}
where from_date <= {{ as_of_date() }} and (to_date is null or to_date > from_date)
    and {{ matches('rule_id', "^R(0[1-9]|1[0-9]|20)$") }} and severity in ('error', 'warn', 'info')
