-- grain: one row per task or event as of (E, K), in the spelling of every CRM; deleted ones say so in `deletion`
-- A call, an e-mail and a note are tasks that are done. What an e-mail is its message says. A to-do has a day and no time: it stands at the end of
-- that day's business hours. Whether a meeting was held a field of the org's own says, else that it was written down after its end.
{%- set mail_fields = ['ActivityId', 'Incoming', 'Status', 'FromAddress', 'IsBounced', 'MessageDate'] %}
{%- set task_fields = [
    'Subject', 'Status', 'IsClosed', 'Type', 'TaskSubtype', 'CallType', 'CallDisposition', 'CallDurationInSeconds', 'ActivityDate', 'CompletedDateTime', 'OwnerId',
    'WhoId', 'WhatId', 'AccountId', 'CreatedById', 'CreatedDate'
] %}
{%- set event_fields = ['Subject', 'StartDateTime', 'EndDateTime', 'OwnerId', 'WhoId', 'WhatId', 'AccountId', 'CreatedById', 'CreatedDate', 'IsChild'] %}
{%- set outcome = sf_own('events', 'outcome', 'events') %}
with tasks as (
    select
        *, case
            when p.tasksubtype = 'Call' then 'call' when p.tasksubtype in ('Email', 'ListEmail') then 'email' when lower(p.type) = 'note' then 'note' else 'task'
        end as activity_type,
        {{ vendor_instant('p.completeddatetime') }} as completed_at,
        {{ local_instant('try_cast(p.activitydate as date)', var('business_hours')['end']) }} as day_ends_at, {{ vendor_instant('p.createddate') }} as created_at
    from ({{ sf_records('tasks', task_fields) }}) as versions
),

mails as (
    select p.activityid as activity_id, p, {{ vendor_instant('p.messagedate') }} as message_at, row_number() over (
        partition by p.activityid order by record_id nulls last
    ) as choice
    from ({{ sf_records('email_messages', mail_fields) }}) as versions where p.activityid is not null
),

events as (
    select
        *, {{ vendor_instant('p.startdatetime') }} as starts_at, {{ vendor_instant('p.enddatetime') }} as ends_at, {{ vendor_instant('p.createddate') }} as created_at
    from ({{ sf_records('events', event_fields + sf_own_fields('events').values() | list) }}) as versions
    where coalesce(p.ischild, 'false') <> 'true'
),

meetings as (
    select
        *, {{ outcome }} as outcome,
        coalesce({{ outcome }}, case when created_at >= coalesce(ends_at, starts_at) then 'COMPLETED' end, 'UNKNOWN') = 'COMPLETED'
        and starts_at <= {{ as_of() }} as was_held
    from events
),

activities as (
    select
        tasks.activity_type, tasks.record_id as activity_id, case
            when tasks.activity_type = 'call' then lower({{ filled('tasks.p.calltype') }})
            when tasks.activity_type = 'email' then case
                when mails.p.incoming = 'true' then 'inbound' when mails.p.status = '4' then 'forwarded' else 'outbound'
            end
        end as direction,
        coalesce(mails.message_at, case when tasks.activity_type <> 'task' then tasks.completed_at end, tasks.day_ends_at) as occurred_at, tasks.created_at,
        case when tasks.activity_type = 'task' and tasks.p.isclosed = 'true' then coalesce(tasks.completed_at, tasks.version_at) end as settled_at,
        {{ sf_owner('tasks.p.ownerid') }} as owner_id,
        case when tasks.activity_type = 'email' and coalesce(mails.p.incoming, 'false') <> 'true' and coalesce(mails.p.status, '3') <> '4'
            then lower({{ filled('mails.p.fromaddress') }}) end as sender_email,
        tasks.p.createdbyid as created_by_user_id, coalesce(tasks.p.tasksubtype, '') in ('ListEmail', 'Cadence') as is_list, case
            when tasks.activity_type = 'call' then coalesce(lower({{ filled('tasks.p.calldisposition') }}), lower({{ filled('tasks.p.status') }}))
            when tasks.activity_type = 'email' then case when mails.p.isbounced = 'true' then 'bounced' when mails.p.status = '5' then 'draft' else 'sent' end
            when tasks.activity_type = 'task' then replace(lower({{ filled('tasks.p.status') }}), ' ', '_')
        end as outcome, case tasks.activity_type
            when 'call' then coalesce(
                lower(tasks.p.calldisposition) = 'connected', tasks.p.isclosed = 'true' and try_cast(tasks.p.calldurationinseconds as bigint) > 0, false
            )
            when 'email' then coalesce(mails.p.incoming = 'true', false)
            else false
        end as is_two_way, case tasks.activity_type
            when 'call' then lower(tasks.p.calltype) = 'outbound'
            when 'email' then coalesce(mails.p.incoming, 'false') <> 'true' and coalesce(mails.p.status, '3') = '3'
            else false
        end as is_reaching_out,
        cast(null as boolean) as is_held, case when tasks.activity_type = 'call' then
            try_cast(tasks.p.calldurationinseconds as bigint) / cast(60 as double)
        end as duration_minutes,
        {{ filled('tasks.p.subject') }} as subject, tasks.p.whoid as who_id, tasks.p.whatid as what_id, tasks.p.accountid as company_id, tasks.deletion, tasks.known_from
    from tasks
    left join mails on tasks.record_id = mails.activity_id and mails.choice = 1
    union all
    select
        'meeting', record_id, 'outbound', starts_at, created_at, case when upper(outcome) in ('CANCELED', 'RESCHEDULED') then version_at end,
        {{ sf_owner('p.ownerid') }}, cast(null as string), p.createdbyid, false, lower(outcome), was_held as is_two_way, true, was_held as is_held,
        case when ends_at >= starts_at then {{ elapsed_minutes('starts_at', 'ends_at') }} end, {{ filled('p.subject') }}, p.whoid, p.whatid, p.accountid,
        deletion, known_from
    from meetings
)

select
    activities.activity_type, activities.activity_id, activities.direction, activities.occurred_at, activities.created_at, activities.settled_at,
    activities.owner_id, activities.sender_email, activities.created_by_user_id, activities.is_list or machines.user_id is not null as is_by_machine,
    activities.outcome, activities.is_two_way, activities.is_reaching_out, activities.is_held, activities.duration_minutes, activities.subject,
    activities.who_id, activities.what_id, activities.company_id, activities.deletion, activities.known_from
from activities
left join {{ sf_machines() }} as machines on activities.created_by_user_id = machines.user_id
where coalesce(activities.created_at, {{ as_of() }}) <= {{ as_of() }}
