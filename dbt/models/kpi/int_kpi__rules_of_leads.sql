{{ config(materialized=intermediate()) }}
-- grain: one row per lead, version of R18 and stretch of local days: the scope, the days on which it is not due, and those on which it is overdue
-- Dispositioned is a lead record that has left the first stage of its pipeline. It is due by the end of limit_days business days (of its own
-- calendar) after the SLA has run out, and stays in scope for closed_days more once it is dispositioned. Contacts in a lead stage have no
-- disposition that could be read: they are in scope and not judged. Internal people are no leads.
with leads as (
    select
        leads.lead_key, leads.lead_rule, leads.calendar_country, leads.created_date, {{ local_date('leads.dispositioned_at') }} as dispositioned_date,
        {{ local_date("leads.clock_started_at + interval " ~ (var('response_sla_minutes') | int) ~ " minute") }} as answer_date
    from {{ ref('leads') }} as leads
    where coalesce(leads.exclusion_reason, '') <> 'internal'
),

dated as (
    select
        leads.*, rules.rule_id, rules.version, greatest(leads.created_date, rules.from_date) as from_date,
        least(rules.to_date, cast(leads.dispositioned_date + cast(rules.closed_days as integer) as date)) as to_date, overdue.date as overdue_date
    from leads
    cross join {{ ref('int_kpi__rules') }} as rules
    left join {{ ref('calendar') }} as due on leads.answer_date = due.date and leads.calendar_country = due.country
    left join {{ ref('calendar') }} as overdue
        on due.country = overdue.country and overdue.is_working_day and due.working_day_number + rules.limit_days + 1 = overdue.working_day_number
    where rules.rule_id = 'R18'
)

{%- set head = 'lead_key as thing_key, rule_id, version' %}

select {{ head }}, 'scope' as layer, from_date, to_date, cast(null as string) as detail, false as is_reconstructed
from dated
union all
select {{ head }}, 'not_applicable', from_date, least(to_date, dispositioned_date, overdue_date), 'not due', false
from dated where overdue_date is not null
union all
select {{ head }}, 'not_applicable', from_date, to_date, 'input not read', false
from dated where lead_rule <> 'lead_record' or overdue_date is null
union all
select {{ head }}, 'fail', greatest(from_date, overdue_date), least(to_date, dispositioned_date), 'still in the first stage', false
from dated where lead_rule = 'lead_record'
