{{ config(materialized=intermediate()) }}
-- grain: one row per lead: the response clock of M16, in the calendar of the country of the seller who had the lead at its start
-- The clock starts at creation, or when a person gave the lead to its first owner, unless it was answered before that. It stops at the
-- first touch at or after creation; while there is none it runs to E. A seller without a country, or in one that the calendar
-- does not know, works by the company's.
with zones as (
    select distinct country, zone from {{ ref('calendar') }}
),

clocks as (
    select
        leads.lead_key, leads.created_at, touches.first_response_at, touches.last_touch_before_at,
        case
            when leads.is_routed_by_hand and leads.routed_at > leads.created_at
                and (touches.first_response_at is null or touches.first_response_at >= leads.routed_at) then leads.routed_at
            else leads.created_at
        end as clock_started_at,
        coalesce(touches.first_response_at, {{ as_of() }}) as clock_stopped_at,
        coalesce(theirs.country, ours.country) as country, coalesce(theirs.zone, ours.zone) as zone
    from {{ ref('int_pipeline__leads') }} as leads
    left join {{ ref('int_pipeline__lead_touches') }} as touches on leads.lead_key = touches.lead_key
    left join {{ ref('owners') }} as owners on leads.owner_key = owners.owner_key
    left join zones as theirs on upper(owners.country) = theirs.country
    inner join zones as ours on ours.country = upper('{{ var("company_country") }}')
)

select
    clocks.lead_key, clocks.first_response_at, clocks.clock_started_at, clocks.country as calendar_country,
    clocks.last_touch_before_at is not null as has_earlier_touch,
    {{ business_minutes_between('clocks.clock_started_at', 'start_day', 'clocks.clock_stopped_at', 'stop_day') }} as clock_minutes,
    {{ business_minutes_between('clocks.created_at', 'created_day', 'clocks.clock_stopped_at', 'stop_day') }} as minutes_from_creation
from clocks
left join {{ ref('calendar') }} as created_day on {{ business_day_of('created_day', 'clocks.country', 'clocks.zone', 'clocks.created_at') }}
left join {{ ref('calendar') }} as start_day on {{ business_day_of('start_day', 'clocks.country', 'clocks.zone', 'clocks.clock_started_at') }}
left join {{ ref('calendar') }} as stop_day on {{ business_day_of('stop_day', 'clocks.country', 'clocks.zone', 'clocks.clock_stopped_at') }}
