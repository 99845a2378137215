{{ config(materialized=intermediate()) }}
-- grain: one row per activity of every source alive at E, in one spelling
-- A line of a sheet has a day and no time: it stands at the end of that day's business hours.
with senders as (
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
    crm.source || ':' || crm.activity_type || ':' || crm.activity_id as activity_key, crm.source, crm.activity_id, crm.activity_type, crm.direction,
    coalesce(crm.occurred_at, crm.created_at) as occurred_at, coalesce({{ seller_key('crm.source', 'crm.owner_id', 'same') }}, senders.owner_key) as owner_key,
    not crm.is_by_machine as is_human, crm.is_two_way,
    coalesce(crm.is_reaching_out, false) and not crm.is_by_machine
    and case crm.activity_type
        when 'email' then coalesce(crm.owner_id, senders.owner_key) is not null
        when 'meeting' then users.owner_key is not null
        else true
    end as is_outbound_touch,
    crm.outcome, crm.is_held, crm.duration_minutes, crm.subject, crm.known_from, crm.created_at, crm.settled_at
from {{ ref('int_crm__activities') }} as crm
left join {{ ref('int_pipeline__users') }} as users on crm.source = users.source and crm.created_by_user_id = users.user_id
left join {{ ref('int_pipeline__same_owners') }} as same on {{ same_seller('crm.source', 'crm.owner_id', 'same') }}
left join senders on crm.sender_email = senders.email
where crm.deletion is null
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
