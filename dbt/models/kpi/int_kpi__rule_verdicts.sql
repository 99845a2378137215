{{ config(materialized=intermediate()) }}
-- grain: one row per snapshot day, deal or lead, and rule that has it in scope on that day
select
    things.*, results.rule_id, results.verdict, results.is_reconstructed
from {{ ref('int_kpi__rule_things') }} as things
inner join {{ ref('crm_rule_results') }} as results
    on things.thing = results.thing and things.thing_key = results.thing_key and results.from_date <= things.snapshot_date
    and (results.to_date > things.snapshot_date or results.to_date is null)
