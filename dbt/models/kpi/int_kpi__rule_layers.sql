{{ config(materialized='table', schema='rules', database=('warehouse' if target.type == 'duckdb' else none)) }}
-- grain: one row per deal or lead, rule version and stretch of local days of which a layer speaks: scope (what the rule has to judge), what leaves it
-- nothing to judge (grace of a new owner, phase not reached, input not read), fail, pass, basis. A stretch may lie outside the scope, begin after the
-- as-of day or be empty. A table: what joins the families takes its memory, what merges the layers takes it after that.
with spans as (
    select deal_key, crm, rule_id, version, from_date, to_date, assigned_date, judged_from from {{ ref('int_kpi__rule_spans') }} where kind = 'stay'
),

unread as (
    select source, rule_id, version
    from {{ ref('int_kpi__rule_inputs') }} group by source, rule_id, version having sum(case when is_landed then 1 else 0 end) = 0
)

select 'deal' as thing, {{ rule_layer('scope', 'cast(null as string)') }} from spans
union all
select 'deal', {{ rule_layer('not_applicable', "'new owner'", starts=['spans.assigned_date'], ends=['spans.judged_from']) }}
from spans where spans.judged_from > spans.from_date
union all
select 'deal', {{ rule_layer('not_applicable', "'phase not reached'") }}
from {{ ref('int_kpi__rule_spans') }} as spans
where spans.kind = 'span' and spans.from_phase_number is not null and coalesce(spans.phase_number, 0) < spans.from_phase_number
union all
select 'deal', {{ rule_layer('not_applicable', "'input not read'") }}
from spans
inner join unread on spans.crm = unread.source and spans.rule_id = unread.rule_id and spans.version = unread.version
{%- for family in ['fields', 'activity', 'history'] %}
union all
select 'deal', thing_key, rule_id, version, layer, from_date, to_date, detail, is_reconstructed from {{ ref('int_kpi__rules_of_' ~ family) }}
{%- endfor %}
union all
select 'lead', thing_key, rule_id, version, layer, from_date, to_date, detail, is_reconstructed from {{ ref('int_kpi__rules_of_leads') }}
