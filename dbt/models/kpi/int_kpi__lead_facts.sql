{{ config(materialized=intermediate()) }}
-- grain: one row per lead that KPI tables may count: all but internal people; spam and duplicates are in, and only lead_response sets them apart
-- source is the first touch, frozen at creation; owner and team held the lead when its clock started; country is the customer's.
-- Whether a lead became a sale is read from its converted deal as of E; a deal's value belongs to its earliest lead alone.
select
    leads.lead_key,
    leads.created_date,
    least(
        coalesce(leads.first_person_touch_at, leads.first_meeting_held_at), coalesce(leads.first_meeting_held_at, leads.first_person_touch_at)
    ) as contacted_at,
    leads.response_state,
    leads.is_answered,
    leads.response_business_minutes,
    leads.observed_business_minutes,
    leads.first_meeting_held_at is not null as is_met,
    deals.sao_at is not null as is_accepted,
    deals.sao_date as accepted_date,
    deals.sao_at is null and leads.lead_state <> 'disqualified' and coalesce(deals.life_state, 'open') = 'open' as is_undecided,
    coalesce(deals.life_state = 'won', false) as is_won,
    case when deals.life_state = 'won' and leads.is_first_of_deal then deals.amount_base end as won_value,
    leads.owner_key,
    coalesce(owners.name, owners.email, leads.owner_key) as owner,
    leads.team,
    leads.source_first_touch as source,
    leads.pipeline,
    leads.country,
    profiles.segment,
    profiles.industry,
    cast(null as string) as deal_size_band,
    cast(null as string) as order_type,
    cast(null as string) as product
from {{ ref('leads') }} as leads
left join {{ ref('deals') }} as deals on leads.converted_deal_key = deals.deal_key
left join {{ ref('owners') }} as owners on leads.owner_key = owners.owner_key
left join {{ ref('company_versions') }} as profiles
    on leads.company_key = profiles.company_key and leads.created_at >= profiles.valid_from
    and (leads.created_at < profiles.valid_to or profiles.valid_to is null)
where coalesce(leads.exclusion_reason, '') <> 'internal'
