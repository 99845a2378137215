{{ config(materialized=intermediate()) }}
-- grain: one row per activity of every source alive at E, in one spelling
-- A line of a sheet has a day and no time: it stands at the end of that day's business hours.
-- A machine's doing is told by where the record came from; what comes through the mailbox integration is a person's.
{%- set machines = "('SEQUENCES', 'AUTOMATION_PLATFORM', 'WORKFLOWS', 'AUTOMATION_JOURNEY', 'MARKETING_EMAIL', 'BOT')" %}
{%- set connected = 'f240bbac-87c9-4f6e-bf70-924b57d47db7' %}

with calls as (
    select
        'hubspot:call:' || call_id as activity_key, call_id as activity_id, 'call' as activity_type, lower(direction) as direction, occurred_at, owner_id,
        cast(null as string) as sender_email, created_by_user_id, object_source, created_at,
        case disposition
            when '{{ connected }}' then 'connected' when '73a0d17f-1163-4015-bdd5-ec830791da20' then 'no answer'
            when '9d9162e7-6cf3-4944-bf63-4dff82258764' then 'busy' when 'b2cf5968-551e-4856-9783-52b3da59a7d0' then 'left voicemail'
            when 'a4c4c377-d246-4b32-a13b-75a56a4cd0ff' then 'left live message' when '17b47fee-58de-441e-a44c-c6300d46f273' then 'wrong number'
            else coalesce(disposition, lower(status))
        end as outcome,
        coalesce(disposition = '{{ connected }}', status = 'COMPLETED' and duration_ms > 0, false) as is_two_way,
        direction = 'OUTBOUND' as is_reaching_out, cast(null as boolean) as is_held, duration_ms / cast(60000 as double) as duration_minutes, subject, known_from,
        cast(null as {{ instant_type() }}) as settled_at
    from {{ ref('stg_hubspot__calls') }}
    where deletion is null
),

emails as (
    select
        'hubspot:email:' || email_id as activity_key, email_id as activity_id, 'email' as activity_type,
        case direction when 'EMAIL' then 'outbound' when 'INCOMING_EMAIL' then 'inbound' when 'FORWARDED_EMAIL' then 'forwarded' else lower(direction) end
            as direction,
        occurred_at, owner_id, case when direction = 'EMAIL' then from_email end as sender_email, created_by_user_id,
        case when sequence_id is not null then 'SEQUENCES' else object_source end as object_source, created_at,
        lower(status) as outcome, direction = 'INCOMING_EMAIL' as is_two_way,
        direction = 'EMAIL' and coalesce(status, 'SENT') not in ('FAILED', 'SCHEDULED', 'SENDING') as is_reaching_out,
        cast(null as boolean) as is_held, cast(null as double) as duration_minutes, subject, known_from, cast(null as {{ instant_type() }}) as settled_at
    from {{ ref('stg_hubspot__emails') }}
    where deletion is null
),

meetings as (
    select
        'hubspot:meeting:' || meeting_id as activity_key, meeting_id as activity_id, 'meeting' as activity_type,
        case when object_source = 'MEETINGS' then 'inbound' when created_by_user_id is not null then 'outbound' end as direction,
        coalesce(occurred_at, starts_at) as occurred_at, owner_id, cast(null as string) as sender_email, created_by_user_id, object_source, created_at,
        lower(outcome) as outcome,
        -- without an outcome a meeting counts as held when it was written down after its end, not booked ahead
        coalesce(outcome, case when created_at >= coalesce(ends_at, starts_at, occurred_at) then 'COMPLETED' end, 'UNKNOWN') = 'COMPLETED' as was_held,
        created_by_user_id is not null and coalesce(object_source, '') <> 'MEETINGS' as is_reaching_out,
        case when ends_at >= starts_at then {{ elapsed_minutes('starts_at', 'ends_at') }} end as duration_minutes, subject, known_from,
        case when outcome in ('CANCELED', 'RESCHEDULED') then version_at end as settled_at
    from {{ ref('stg_hubspot__meetings') }}
    where deletion is null
),

others as (
    {%- for name in ['note', 'task'] %}
    select
        'hubspot:{{ name }}:' || {{ name }}_id as activity_key, {{ name }}_id as activity_id, '{{ name }}' as activity_type, occurred_at, owner_id,
        created_by_user_id, object_source, created_at, {{ 'lower(status)' if name == 'task' else 'cast(null as string)' }} as outcome, subject, known_from,
        {{ "case when status = 'COMPLETED' then coalesce(completed_at, version_at) end" if name == 'task' else 'cast(null as ' ~ instant_type() ~ ')' }} as settled_at
    from {{ ref('stg_hubspot__' ~ name ~ 's') }}
    where deletion is null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

hubspot as (
    select * from calls
    union all
    select * from emails
    union all
    select
        activity_key, activity_id, activity_type, direction, occurred_at, owner_id, sender_email, created_by_user_id, object_source, created_at, outcome,
        was_held and occurred_at <= {{ as_of() }}, is_reaching_out, was_held and occurred_at <= {{ as_of() }}, duration_minutes, subject, known_from,
        settled_at
    from meetings
    union all
    select
        activity_key, activity_id, activity_type, cast(null as string), occurred_at, owner_id, cast(null as string), created_by_user_id, object_source,
        created_at, outcome, false, false, cast(null as boolean), cast(null as double), subject, known_from, settled_at
    from others
),

users as (
    select user_id, min(owner_key) as owner_key from {{ ref('owners') }} where user_id is not null group by user_id
),

senders as (
    select email, min(owner_key) as owner_key from {{ ref('owners') }} where email is not null group by email
),

sheets as (
    select
        activities.*, owners.owner_key, {{ local_instant('activities.date', var('business_hours')['end']) }} as occurred_at,
        coalesce(lower(activities.direction) like 'in%', false) as is_inbound,
        lower(coalesce(activities.activity_type, 'note')) as type_text, lower(coalesce(activities.outcome, '')) as outcome_text
    from {{ ref('stg_spreadsheets__activities') }} as activities
    left join {{ ref('int_pipeline__sheet_owners') }} as owners on lower(activities.owner) = owners.spelling
    where not activities.is_deleted and activities.date is not null
),

typed_sheets as (
    select
        *, case when type_text in ('call', 'email', 'meeting', 'note', 'task') then type_text else 'note' end as kind,
        {{ matches('outcome_text', "(no.?show|cancel|inst.lld|avbokad|uteblev|peruttu|no answer|inget svar|ej svar|ikke svar|ei vastausta)") }} as was_missed
    from sheets
)

select
    hubspot.activity_key, 'hubspot' as source, hubspot.activity_id, hubspot.activity_type, hubspot.direction,
    coalesce(hubspot.occurred_at, hubspot.created_at) as occurred_at, coalesce('hubspot:owner:' || hubspot.owner_id, senders.owner_key) as owner_key,
    coalesce(hubspot.object_source, '') not in {{ machines }} as is_human, hubspot.is_two_way,
    coalesce(hubspot.is_reaching_out, false) and coalesce(hubspot.object_source, '') not in {{ machines }}
    and case hubspot.activity_type
        when 'email' then coalesce(hubspot.owner_id, senders.owner_key) is not null
        when 'meeting' then users.owner_key is not null
        else true
    end as is_outbound_touch,
    hubspot.outcome, hubspot.is_held, hubspot.duration_minutes, hubspot.subject, hubspot.known_from, hubspot.created_at, hubspot.settled_at
from hubspot
left join users on hubspot.created_by_user_id = users.user_id
left join senders on hubspot.sender_email = senders.email
union all
select
    'spreadsheets:activity:' || activity_id, 'spreadsheets', activity_id, kind,
    case when kind in ('call', 'email', 'meeting') then case when is_inbound then 'inbound' else 'outbound' end end,
    occurred_at, owner_key, true,
    kind = 'email' and is_inbound or kind in ('call', 'meeting') and not was_missed and occurred_at <= {{ as_of() }},
    kind in ('call', 'email', 'meeting') and not is_inbound,
    outcome, case when kind = 'meeting' then not was_missed and occurred_at <= {{ as_of() }} end, cast(null as double), next_step, known_from,
    cast(null as {{ instant_type() }}), cast(null as {{ instant_type() }})
from typed_sheets
