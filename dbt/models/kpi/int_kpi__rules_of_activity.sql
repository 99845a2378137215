{{ config(materialized=intermediate()) }}
-- grain: one row per deal, rule version and stretch of local days on which what is logged or planned decides the rule: R02, R06, R07, R11, R12
-- These rules fail by default (R12 has nothing to judge by default): here stand the days that pass, and those that fail whatever else passes.
-- A meeting or task is planned from the day it was written down up to the day it is due, unless it was done or called off before. R06 counts
-- business days of the company, from the last two-way touch or from the opening of the deal, whichever is later.
with spans as (
    select * from {{ ref('int_kpi__rule_spans') }}
    where (kind = 'span' and rule_id in ('R06', 'R11')) or (kind = 'stay' and rule_id in ('R02', 'R07', 'R12'))
),

of_deals as (
    select distinct links.deal_key, activities.activity_key, activities.activity_type, activities.is_two_way, activities.occurred_at, activities.occurred_date,
        activities.created_at, activities.settled_at
    from {{ ref('activities') }} as activities
    inner join {{ ref('activity_links') }} as links on activities.activity_key = links.activity_key and links.deal_key is not null
),

planned as (
    select deal_key, {{ local_date('created_at') }} as from_date, least(cast(occurred_date + 1 as date), {{ local_date('settled_at') }}) as to_date
    from of_deals where activity_type in ('meeting', 'task') and occurred_at > created_at
),

contacts_of as (
    select deal_key, occurred_date as touched_date from of_deals where is_two_way and occurred_at <= {{ as_of() }} group by deal_key, occurred_date
    union
    select deal_key, opened_date from spans where rule_id = 'R06' and life_state = 'open'
),

touched as (
    select spans.*, contacts_of.touched_date, coalesce(ends.date, cast('9999-12-31' as date)) as silent_date
    from spans
    inner join contacts_of on spans.deal_key = contacts_of.deal_key and (contacts_of.touched_date < spans.to_date or spans.to_date is null)
    inner join {{ ref('calendar') }} as touch_days on contacts_of.touched_date = touch_days.date and touch_days.country = '{{ var("company_country") }}'
    left join {{ ref('calendar') }} as ends
        on ends.country = '{{ var("company_country") }}' and ends.is_working_day and ends.working_day_number = touch_days.working_day_number + 1
        + case when spans.phase_number >= 3 then coalesce(spans.late_limit_days, spans.limit_days) else spans.limit_days end
    where spans.rule_id = 'R06'
),

-- R11: each person counts for limit_days from a touch; where enough people's days overlap the deal hangs on several
windows as (
    select touches.deal_key, touches.contact_key, rules.version, rules.limit_count, touches.occurred_date as from_date,
        cast(touches.occurred_date + cast(rules.limit_days as integer) as date) as to_date
    from {{ ref('int_kpi__buyer_touches') }} as touches
    cross join {{ ref('int_kpi__rules') }} as rules
    where rules.rule_id = 'R11'
),

runs as (
    select *, sum(is_new) over (
        partition by deal_key, contact_key, version order by from_date nulls last rows between unbounded preceding and current row
    ) as run
    from (
        select *, case when from_date <= max(to_date) over (
            partition by deal_key, contact_key, version order by from_date nulls last rows between unbounded preceding and 1 preceding
        ) then 0 else 1 end as is_new
        from windows
    ) as compared
),

steps as (
    select deal_key, version, limit_count, boundary, sum(step) as step
    from (
        select deal_key, version, limit_count, min(from_date) as boundary, 1 as step from runs group by deal_key, contact_key, version, limit_count, run
        union all
        select deal_key, version, limit_count, max(to_date), -1 from runs group by deal_key, contact_key, version, limit_count, run
    ) as turns
    group by deal_key, version, limit_count, boundary
),

threads as (
    select
        deal_key, version, limit_count, boundary as from_date, lead(boundary) over (partition by deal_key, version order by boundary nulls last) as to_date,
        sum(step) over (partition by deal_key, version order by boundary nulls last rows between unbounded preceding and current row) as contact_count
    from steps
),

-- R12: meetings with the account's people since the deal was created
meetings as (
    select
        activities.activity_key, activities.occurred_date, coalesce(links.company_key, contacts.company_key) as company_key,
        max(case when on_deals.deal_key is not null then 1 else 0 end) as is_linked
    from {{ ref('activities') }} as activities
    inner join {{ ref('activity_links') }} as links on activities.activity_key = links.activity_key
    left join {{ ref('contacts') }} as contacts on links.contact_key = contacts.contact_key
    left join {{ ref('activity_links') }} as on_deals on activities.activity_key = on_deals.activity_key and on_deals.deal_key is not null
    where activities.activity_type = 'meeting' and activities.occurred_at <= {{ as_of() }} and activities.settled_at is null
        and coalesce(links.company_key, contacts.company_key) is not null
    group by activities.activity_key, activities.occurred_date, coalesce(links.company_key, contacts.company_key)
),

met as (
    select spans.*, meetings.occurred_date, meetings.is_linked, cast(meetings.occurred_date + cast(spans.limit_days as integer) as date) as forgotten_date
    from spans
    inner join meetings on spans.company_key = meetings.company_key and meetings.occurred_date >= spans.created_date
    where spans.rule_id = 'R12'
)

select {{ rule_layer('fail', "'no next step'", starts=['steps.from_date'], ends=['steps.to_date'], is_reconstructed='steps.is_reconstructed') }}
from spans
inner join {{ ref('int_kpi__rule_fields') }} as steps
    on spans.deal_key = steps.deal_key and steps.field = 'next_step' and steps.value is null and {{ meets_span('steps') }}
where spans.rule_id = 'R02'
union all
select {{ rule_layer('basis', 'cast(null as string)', starts=['steps.from_date'], ends=['steps.to_date'], is_reconstructed='true') }}
from spans
inner join {{ ref('int_kpi__rule_fields') }} as steps
    on spans.deal_key = steps.deal_key and steps.field = 'next_step' and steps.is_reconstructed and {{ meets_span('steps') }}
where spans.rule_id = 'R02'
union all
select {{ rule_layer(
    'pass', 'cast(null as string)', starts=['steps.from_date'], ends=['steps.to_date', 'cast(try_cast(steps.value as date) + 1 as date)'],
    is_reconstructed='steps.is_reconstructed'
) }}
from spans
inner join {{ ref('int_kpi__rule_fields') }} as steps
    on spans.deal_key = steps.deal_key and steps.field = 'next_step_date' and try_cast(steps.value as date) is not null and {{ meets_span('steps') }}
where spans.rule_id = 'R02'
union all
select {{ rule_layer('pass', 'cast(null as string)', starts=['planned.from_date'], ends=['planned.to_date']) }}
from spans
inner join planned on spans.deal_key = planned.deal_key and {{ meets_span('planned') }}
where spans.rule_id in ('R02', 'R07')
union all
select {{ rule_layer('pass', 'cast(null as string)', 'touched', ['touched.touched_date'], ['touched.silent_date']) }}
from touched
union all
select {{ rule_layer('pass', 'cast(null as string)', starts=['threads.from_date'], ends=['threads.to_date']) }}
from spans
inner join threads
    on spans.deal_key = threads.deal_key and spans.version = threads.version and threads.contact_count >= threads.limit_count and {{ meets_span('threads') }}
where spans.rule_id = 'R11'
union all
select {{ rule_layer('not_applicable', "'small deal in an early stage'") }}
from spans where spans.rule_id = 'R11' and coalesce(spans.amount_base, 0) <= spans.limit_amount and coalesce(spans.phase_number, 0) < 3
union all
select {{ rule_layer('fail', "'meeting on ' || cast(met.occurred_date as string) || ' is on no deal'", 'met', ['met.occurred_date'], ['met.forgotten_date']) }}
from met where met.is_linked = 0
union all
select {{ rule_layer('pass', 'cast(null as string)', 'met', ['met.occurred_date'], ['met.forgotten_date']) }}
from met where met.is_linked = 1
