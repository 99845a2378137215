-- grain: one row per lead episode as of E; without lead records the same person is a new lead after 90 quiet days
-- Lead records where the CRM holds any, else contacts entering a lead stage (lead_rule). Owner, team and calendar are those of the
-- seller who had the lead when its clock started. A touch before creation takes a lead out of response times; so do spam and
-- duplicate dispositions and internal people. An unanswered lead is breached once its own running time exceeds the SLA.
{%- set sla = var('response_sla_minutes') | int %}

with internal as (
    select leads.lead_key
    from {{ ref('int_pipeline__leads') }} as leads
    inner join {{ text_rows(as_rows(var('internal_domains')), ['domain']) }} as domains
        on leads.company_domain = lower(domains.domain) or leads.email like '%@' || lower(domains.domain)
    group by leads.lead_key
),

judged as (
    select
        leads.*, clocks.first_response_at, clocks.clock_started_at, clocks.calendar_country, clocks.has_earlier_touch, clocks.clock_minutes,
        clocks.minutes_from_creation, touches.first_person_touch_at, touches.first_meeting_held_at, case
            when internal.lead_key is not null then 'internal'
            when {{ matches('lower(leads.disposition)', "(spam|skr.ppost|roskaposti)") }} then 'spam'
            when {{ matches('lower(leads.disposition)', "(duplicate|dubblett|dublett|duplikat|dublet|kaksoiskappale)") }} then 'duplicate'
            when clocks.clock_minutes is null then 'outside the calendar'
        end as exclusion_reason
    from {{ ref('int_pipeline__leads') }} as leads
    inner join {{ ref('int_pipeline__lead_clocks') }} as clocks on leads.lead_key = clocks.lead_key
    left join {{ ref('int_pipeline__lead_touches') }} as touches on leads.lead_key = touches.lead_key
    left join internal on leads.lead_key = internal.lead_key
),

stated as (
    select
        *, case
            when exclusion_reason is not null then 'excluded'
            when has_earlier_touch then 'already_in_contact'
            when clock_minutes > {{ sla }} then 'breached'
            when first_response_at is not null then 'met'
            else 'not_due'
        end as response_state
    from judged
)

select
    cast(stated.lead_key as string) as lead_key,
    cast(stated.source as string) as source,
    cast(stated.lead_id as string) as lead_id,
    cast(stated.lead_rule as string) as lead_rule,
    stated.created_at,
    cast({{ local_date('stated.created_at') }} as date) as created_date,
    stated.routed_at,
    cast(stated.is_routed_by_hand as boolean) as is_routed_by_hand,
    stated.clock_started_at,
    cast(origins.source_first_touch as string) as source_first_touch,
    cast(origins.source_sao_touch as string) as source_sao_touch,
    cast(stated.recorded_source as string) as source_recorded,
    cast(origins.is_source_conflict as boolean) as is_source_conflict,
    cast(stated.campaign as string) as campaign,
    cast(stated.pipeline as string) as pipeline,
    cast(stated.stage as string) as stage,
    cast(stated.lead_state as string) as lead_state,
    stated.dispositioned_at,
    cast(stated.owner_key as string) as owner_key,
    cast(teams.team as string) as team,
    cast(stated.country as string) as country,
    cast(stated.calendar_country as string) as calendar_country,
    cast(stated.contact_key as string) as contact_key,
    cast(stated.company_key as string) as company_key,
    stated.first_response_at,
    cast(case when stated.response_state in ('met', 'breached') and stated.first_response_at is not null then stated.clock_minutes end as double)
        as response_business_minutes,
    cast(case when stated.response_state in ('met', 'breached') and stated.first_response_at is not null then stated.minutes_from_creation end as double)
        as response_business_minutes_from_creation,
    cast(case when stated.response_state in ('met', 'breached', 'not_due') then stated.clock_minutes end as double) as observed_business_minutes,
    cast(stated.response_state as string) as response_state,
    cast(stated.exclusion_reason as string) as exclusion_reason,
    cast(stated.response_state in ('met', 'breached') and stated.first_response_at is not null as boolean) as is_answered,
    stated.first_person_touch_at,
    stated.first_meeting_held_at,
    cast(stated.is_recycled as boolean) as is_recycled,
    cast(origins.converted_deal_key as string) as converted_deal_key,
    cast(origins.is_first_of_deal as boolean) as is_first_of_deal,
    stated.known_from
from stated
inner join {{ ref('int_pipeline__lead_origins') }} as origins on stated.lead_key = origins.lead_key
left join {{ ref('int_pipeline__owner_teams') }} as teams
    on stated.owner_key = teams.owner_key and coalesce(stated.clock_started_at, stated.created_at) >= teams.valid_from
    and (coalesce(stated.clock_started_at, stated.created_at) < teams.valid_to or teams.valid_to is null)
