{{ config(materialized=intermediate()) }}
-- grain: one row per lead with a touch or a held meeting up to E
-- A touch answers a lead when it went to the lead's person, to its company, or was made on a deal of that company that was open at the time
-- (lead-to-account: any seller of the deal). Meetings count for the person alone.
with reached as (
    select
        activity_links.contact_key, activity_links.company_key, activity_links.deal_key, activities.occurred_at, activities.is_outbound_touch,
        coalesce(activities.is_held, false) as is_held
    from {{ ref('activities') }} as activities
    inner join {{ ref('activity_links') }} as activity_links on activities.activity_key = activity_links.activity_key
    where activities.occurred_at <= {{ as_of() }} and (activities.is_outbound_touch or activities.is_held)
),

met as (
    select leads.lead_key, leads.created_at, leads.new_since, reached.occurred_at, reached.is_outbound_touch, reached.is_held, true as is_person
    from {{ ref('int_pipeline__leads') }} as leads
    inner join reached on leads.contact_key = reached.contact_key
    union all
    select leads.lead_key, leads.created_at, leads.new_since, reached.occurred_at, reached.is_outbound_touch, reached.is_held, false
    from {{ ref('int_pipeline__leads') }} as leads
    inner join reached on leads.company_key = reached.company_key
    union all
    select leads.lead_key, leads.created_at, leads.new_since, reached.occurred_at, reached.is_outbound_touch, reached.is_held, false
    from {{ ref('int_pipeline__leads') }} as leads
    inner join {{ ref('deals') }} as deals on leads.company_key = deals.company_key
    inner join reached on deals.deal_key = reached.deal_key
    where reached.occurred_at >= deals.created_at and (deals.closed_at is null or reached.occurred_at < deals.closed_at)
)

select
    lead_key,
    min(occurred_at) filter (where is_outbound_touch and occurred_at >= created_at) as first_response_at,
    max(occurred_at) filter (where is_outbound_touch and occurred_at < created_at) as last_touch_before_at,
    min(occurred_at) filter (where is_outbound_touch and is_person) as first_person_touch_at,
    min(occurred_at) filter (where is_held and is_person and occurred_at >= created_at) as first_meeting_held_at
from met
where new_since is null or occurred_at >= new_since
group by lead_key
