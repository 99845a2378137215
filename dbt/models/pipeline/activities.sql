-- grain: one row per call, e-mail, meeting, note or task, of every source, as of E; deleted ones are out
-- Booked meetings and tasks that are due lie after E and stay in: cut by occurred_at. is_outbound_touch is the touch of M16: an
-- outbound call (an attempt is one), an e-mail that an owner sent without sequence or workflow, a meeting that a seller created.
select
    cast(activity_key as string) as activity_key,
    cast(source as string) as source,
    cast(activity_id as string) as activity_id,
    cast(activity_type as string) as activity_type,
    cast(direction as string) as direction,
    occurred_at,
    cast({{ local_date('occurred_at') }} as date) as occurred_date,
    cast(owner_key as string) as owner_key,
    cast(is_human as boolean) as is_human,
    cast(coalesce(is_two_way, false) as boolean) as is_two_way,
    cast(is_outbound_touch as boolean) as is_outbound_touch,
    cast(outcome as string) as outcome,
    cast(is_held as boolean) as is_held,
    cast(duration_minutes as double) as duration_minutes,
    cast(subject as string) as subject,
    created_at,
    settled_at,
    known_from
from {{ ref('int_pipeline__activity_records') }}
