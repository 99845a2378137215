{{ config(materialized=intermediate()) }}
-- grain: one row per source of deals, rule version and field that the rule reads: is_landed says whether the source has it
-- A rule judges by the fields that are there; without any of them it does not judge at all.
{%- set inputs = [] %}
{%- for rule, fields in crm_rule_inputs().items() %}
    {%- for field in fields %}
        {%- do inputs.append([rule, field]) %}
    {%- endfor %}
{%- endfor %}
with wanted as (
    select rules.rule_id, rules.version, inputs.field
    from {{ ref('int_kpi__rules') }} as rules
    inner join {{ text_rows(inputs, ['rule_id', 'field']) }} as inputs on rules.rule_id = inputs.rule_id
    union all
    select rule_id, version, field from {{ ref('crm_rule_fields') }}
)

select sources.source, wanted.rule_id, wanted.version, wanted.field, landed.field is not null as is_landed
from wanted
cross join (select distinct source from {{ ref('deals') }}) as sources
left join {{ ref('int_pipeline__landed_fields') }} as landed on sources.source = landed.source and wanted.field = landed.field
