-- grain: one row per activity or note as of (E, K), in the spelling of every CRM; deleted ones say so in `deletion`
-- An activity is a seller's own: done or not. Which way a call or mail went and whether anybody answered is not said: one that is done is an attempt.
-- A type of the company's own is what its icon shows, else a task. Due without a time is due when business hours end.
with versions as (
    {{ pd_typed('activities', [
        'subject', 'type', 'owner_id', 'creator_user_id', 'deal_id', 'person_id', 'org_id', 'due_date', 'due_time', 'duration', 'done', 'marked_as_done_time', 'add_time'
    ]) }}
),

notes as (
    {{ pd_typed('notes', ['user_id', 'deal_id', 'person_id', 'org_id', 'active_flag', 'add_time']) }}
),

icons as (
    select r.key_string as type_key, min(r.icon_key) as icon from ({{ pd_typed('activity_types', ['key_string', 'icon_key']) }}) as types group by r.key_string
),

typed as (
    select
        versions.*, case
            when versions.r.type in ('call', 'email', 'meeting') then versions.r.type when versions.r.type = 'lunch' then 'meeting'
            when icons.icon in ('call', 'email', 'meeting') then icons.icon when icons.icon = 'smartphone' then 'call' when icons.icon = 'lunch' then 'meeting'
            else 'task'
        end as activity_type, coalesce(versions.r.done = 'true', false) as is_done,
        case
            when {{ filled('versions.r.due_time') }} is not null then {{ vendor_instant("versions.r.due_date || ' ' || versions.r.due_time") }}
            else {{ local_instant('try_cast(versions.r.due_date as date)', var('business_hours')['end']) }}
        end as occurred_at
    from versions
    left join icons on versions.r.type = icons.type_key
)

select
    activity_type, record_id as activity_id, case when activity_type = 'meeting' and r.creator_user_id is not null then 'outbound' end as direction,
    occurred_at, {{ vendor_instant('r.add_time') }} as created_at,
    case when activity_type = 'task' and is_done then coalesce({{ vendor_instant('r.marked_as_done_time') }}, version_at) end as settled_at,
    {{ filled('r.owner_id') }} as owner_id, cast(null as string) as sender_email, {{ filled('r.creator_user_id') }} as created_by_user_id, false as is_by_machine,
    case when is_done and activity_type = 'email' then 'sent' when is_done then 'completed' when activity_type = 'task' then 'not_started' end as outcome,
    activity_type = 'meeting' and is_done and occurred_at <= {{ as_of() }} as is_two_way,
    activity_type in ('call', 'email') and is_done or activity_type = 'meeting' and r.creator_user_id is not null as is_reaching_out,
    case when activity_type = 'meeting' then is_done and occurred_at <= {{ as_of() }} end as is_held,
    cast(try_cast(split_part(r.duration, ':', 1) as bigint) * 60 + try_cast(split_part(r.duration, ':', 2) as bigint)
        + coalesce(try_cast(nullif(split_part(r.duration, ':', 3), '') as double), 0) / 60 as double) as duration_minutes,
    {{ filled('r.subject') }} as subject, deletion, known_from,
    {{ filled('r.deal_id') }} as deal_id, {{ filled('r.person_id') }} as contact_id, {{ filled('r.org_id') }} as company_id
from typed
where coalesce({{ vendor_instant('r.add_time') }}, {{ as_of() }}) <= {{ as_of() }}
union all
select
    'note', record_id, cast(null as string), {{ vendor_instant('r.add_time') }}, {{ vendor_instant('r.add_time') }}, cast(null as {{ instant_type() }}),
    {{ filled('r.user_id') }}, cast(null as string), {{ filled('r.user_id') }}, false, cast(null as string), false, false, cast(null as boolean), cast(null as double),
    cast(null as string), coalesce(deletion, case when r.active_flag = 'false' then 'removed' end), known_from,
    {{ filled('r.deal_id') }}, {{ filled('r.person_id') }}, {{ filled('r.org_id') }}
from notes
where coalesce({{ vendor_instant('r.add_time') }}, {{ as_of() }}) <= {{ as_of() }}
