-- the clock starts at creation or later, answers come at or after creation, minutes are never negative, and a state agrees with its clock
select lead_key, created_at, clock_started_at, first_response_at, response_state, observed_business_minutes
from {{ ref('leads') }}
where clock_started_at < created_at or first_response_at < created_at or first_meeting_held_at < created_at
    or observed_business_minutes < 0 or response_business_minutes > response_business_minutes_from_creation
    or (response_state = 'met') <> (is_answered and observed_business_minutes <= {{ var('response_sla_minutes') | int }})
    or (response_state in ('met', 'breached', 'not_due')) <> (observed_business_minutes is not null)
