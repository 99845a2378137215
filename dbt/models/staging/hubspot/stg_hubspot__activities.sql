{{ config(materialized='view') }}
-- grain: one row per call, e-mail, meeting, note or task as of (E, K), in the spelling of every CRM; deleted ones say so in `deletion`
-- A machine's doing is told by where the record came from; what comes through the mailbox integration is a person's.
{%- set machines = "('SEQUENCES', 'AUTOMATION_PLATFORM', 'WORKFLOWS', 'AUTOMATION_JOURNEY', 'MARKETING_EMAIL', 'BOT')" %}
{%- set connected = 'f240bbac-87c9-4f6e-bf70-924b57d47db7' %}
with meetings as (
    -- without an outcome a meeting counts as held when it was written down after its end, not booked ahead
    select
        *, coalesce(outcome, case when created_at >= coalesce(ends_at, starts_at, occurred_at) then 'COMPLETED' end, 'UNKNOWN') = 'COMPLETED'
        and coalesce(occurred_at, starts_at) <= {{ as_of() }} as was_held
    from {{ ref('stg_hubspot__meetings') }}
)

select
    'call' as activity_type, call_id as activity_id, lower(direction) as direction, occurred_at, created_at, cast(null as {{ instant_type() }}) as settled_at,
    owner_id, cast(null as string) as sender_email, created_by_user_id, coalesce(object_source, '') in {{ machines }} as is_by_machine,
    case disposition
        when '{{ connected }}' then 'connected' when '73a0d17f-1163-4015-bdd5-ec830791da20' then 'no answer'
        when '9d9162e7-6cf3-4944-bf63-4dff82258764' then 'busy' when 'b2cf5968-551e-4856-9783-52b3da59a7d0' then 'left voicemail'
        when 'a4c4c377-d246-4b32-a13b-75a56a4cd0ff' then 'left live message' when '17b47fee-58de-441e-a44c-c6300d46f273' then 'wrong number'
        else coalesce(disposition, lower(status))
    end as outcome,
    coalesce(disposition = '{{ connected }}', status = 'COMPLETED' and duration_ms > 0, false) as is_two_way, direction = 'OUTBOUND' as is_reaching_out,
    cast(null as boolean) as is_held, duration_ms / cast(60000 as double) as duration_minutes, subject, deletion, known_from
from {{ ref('stg_hubspot__calls') }}
union all
select
    'email', email_id,
    case direction when 'EMAIL' then 'outbound' when 'INCOMING_EMAIL' then 'inbound' when 'FORWARDED_EMAIL' then 'forwarded' else lower(direction) end,
    occurred_at, created_at, cast(null as {{ instant_type() }}), owner_id, case when direction = 'EMAIL' then from_email end, created_by_user_id,
    sequence_id is not null or coalesce(object_source, '') in {{ machines }}, lower(status), direction = 'INCOMING_EMAIL',
    direction = 'EMAIL' and coalesce(status, 'SENT') not in ('FAILED', 'SCHEDULED', 'SENDING'), cast(null as boolean), cast(null as double), subject,
    deletion, known_from
from {{ ref('stg_hubspot__emails') }}
union all
select
    'meeting', meeting_id, case when object_source = 'MEETINGS' then 'inbound' when created_by_user_id is not null then 'outbound' end,
    coalesce(occurred_at, starts_at), created_at, case when outcome in ('CANCELED', 'RESCHEDULED') then version_at end, owner_id,
    cast(null as string), created_by_user_id, coalesce(object_source, '') in {{ machines }}, lower(outcome), was_held as is_two_way,
    created_by_user_id is not null and coalesce(object_source, '') <> 'MEETINGS', was_held as is_held,
    case when ends_at >= starts_at then {{ elapsed_minutes('starts_at', 'ends_at') }} end, subject, deletion, known_from
from meetings
{%- for name in ['note', 'task'] %}
union all
select
    '{{ name }}', {{ name }}_id, cast(null as string), occurred_at, created_at,
    {{ "case when status = 'COMPLETED' then coalesce(completed_at, version_at) end" if name == 'task' else 'cast(null as ' ~ instant_type() ~ ')' }}, owner_id,
    cast(null as string), created_by_user_id, coalesce(object_source, '') in {{ machines }}, {{ 'lower(status)' if name == 'task' else 'cast(null as string)' }},
    false, false, cast(null as boolean), cast(null as double), subject, deletion, known_from
from {{ ref('stg_hubspot__' ~ name ~ 's') }}
{%- endfor %}
