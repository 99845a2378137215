{{ config(materialized=intermediate()) }}
-- grain: one row per lead episode, by lead records where the CRM has any, else by the contacts' lifecycle
-- new_since: only what happened from here on belongs to this episode: a contact's later lifecycle episodes start after 90 quiet days.
-- A lead record is the CRM's own word, and any touch before it counts as one.
with unioned as (
    select * from {{ ref('int_pipeline__lead_records') }}
    union all
    select * from {{ ref('int_pipeline__lead_lifecycles') }}
),

ordered as (
    select
        *, case when contact_key is not null then
            lag(created_at) over (partition by contact_key order by created_at nulls last, lead_key nulls last)
        end as previous_created_at
    from unioned
)

select
    ordered.lead_key, ordered.source, ordered.lead_id, ordered.lead_rule, ordered.created_at, ordered.contact_key,
    coalesce(ordered.company_key, contacts.company_key) as company_key,
    case when ordered.first_owner_id is not null then ordered.created_at else ordered.assigned_at end as routed_at,
    -- given to its first owner after creation by a person, not by a workflow or an integration
    ordered.first_owner_id is null and ordered.assigned_at is not null
    and not ordered.is_assigned_automatically as is_routed_by_hand,
    {{ seller_key('ordered.source', 'coalesce(ordered.first_owner_id, ordered.assigned_owner_id, ordered.current_owner_id)', 'same') }} as owner_key,
    ordered.recorded_source, coalesce(ordered.campaign, contacts.campaign) as campaign, ordered.pipeline, ordered.stage, ordered.lead_state,
    ordered.disposition, coalesce(companies.country, contacts.country) as country, contacts.lead_source as contact_source,
    companies.domain as company_domain, contacts.email,
    ordered.previous_created_at is not null as is_recycled,
    case when ordered.lead_rule = 'lifecycle' and ordered.previous_created_at is not null then ordered.created_at - interval 90 day end as new_since,
    ordered.known_from, ordered.dispositioned_at
from ordered
left join {{ ref('int_pipeline__same_owners') }} as same
    on {{ same_seller('ordered.source', 'coalesce(ordered.first_owner_id, ordered.assigned_owner_id, ordered.current_owner_id)', 'same') }}
left join {{ ref('int_pipeline__people') }} as contacts on ordered.contact_key = contacts.contact_key
left join {{ ref('companies') }} as companies on coalesce(ordered.company_key, contacts.company_key) = companies.company_key
