{{ config(meta={'dagster': {'ref': {'name': 'crm_rule_results'}}}) }}
-- what a rule and another table both know of a deal is the same on the as-of day: pushes (R13, pipeline.deals) and threads (R11, kpi.threading)
with present as (
    select results.thing_key as deal_key, results.rule_id, results.verdict, rules.limit_count, rules.limit_days
    from {{ ref('crm_rule_results') }} as results
    inner join {{ ref('crm_rule_definitions') }} as rules on results.rule_id = rules.rule_id and results.version = rules.version
    where results.thing = 'deal' and results.verdict <> 'not_applicable' and results.from_date <= {{ as_of_date() }}
        and (results.to_date > {{ as_of_date() }} or results.to_date is null)
)

select present.deal_key, present.rule_id, present.verdict, deals.push_count as figure
from present
inner join {{ ref('deals') }} as deals on present.deal_key = deals.deal_key
where present.rule_id = 'R13' and (present.verdict = 'fail') <> (deals.push_count >= present.limit_count)
union all
select present.deal_key, present.rule_id, present.verdict, threading.contact_count
from present
inner join {{ ref('threading') }} as threading on present.deal_key = threading.deal_key and threading.snapshot_date = {{ as_of_date() }}
where present.rule_id = 'R11' and present.limit_count = 2 and present.limit_days = 30 and (present.verdict = 'fail') <> threading.is_single_threaded
