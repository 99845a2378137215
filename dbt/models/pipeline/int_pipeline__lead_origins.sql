{{ config(materialized=intermediate()) }}
-- grain: one row per lead: the source that brought the person, frozen at creation, and the deal that the lead became
-- First touch: the first source of the person other than direct traffic, up to the lead's creation and from its own episode on; else the
-- CRM's original source, else the lead record's own, else direct. Later touches change nothing in it (M17).
with visits as (
    select identities.contact_key, history.changed_at, history.value as source
    from {{ ref('int_crm__contacts_history') }} as history
    inner join {{ ref('contact_identities') }} as identities on history.source = identities.source and history.contact_id = identities.contact_id
    where history.field = 'latest_source' and history.value <> '' and upper(history.value) not like 'DIRECT%'
),

deal_people as (
    select deals.deal_key, identities.contact_key
    from {{ ref('int_crm__links') }} as links
    inner join {{ ref('contact_identities') }} as identities on links.to_id = identities.contact_id and links.source = identities.source
    inner join {{ ref('deals') }} as deals on links.from_id = deals.deal_id and links.source = deals.source
    where links.from_object = 'deals' and links.to_object = 'contacts'
    union
    select deal_key, contact_key from {{ ref('deals') }} where contact_key is not null
),

converted as (
    select leads.lead_key, min_by(deals.deal_key, deals.created_at) filter (where deals.deal_key is not null) as deal_key, min(deals.created_at) as deal_created_at
    from {{ ref('int_pipeline__leads') }} as leads
    inner join deal_people on leads.contact_key = deal_people.contact_key
    inner join {{ ref('deals') }} as deals on deal_people.deal_key = deals.deal_key
    where deals.created_at >= leads.created_at and deals.life_state not in ('removed', 'merged') and not deals.is_excluded
    group by leads.lead_key
),

accepted as (
    select
        leads.*, converted.deal_key as converted_deal_key, deals.sao_at, row_number() over (
            partition by converted.deal_key order by leads.created_at nulls last, leads.lead_key nulls last
        ) as place_of_deal
    from {{ ref('int_pipeline__leads') }} as leads
    left join converted on leads.lead_key = converted.lead_key
    left join {{ ref('deals') }} as deals on converted.deal_key = deals.deal_key
),

touched as (
    select
        accepted.lead_key,
        min_by(visits.source, visits.changed_at) filter (
            where visits.source is not null and visits.changed_at <= accepted.created_at and (accepted.new_since is null or visits.changed_at >= accepted.new_since)
        ) as first_source,
        max_by(visits.source, visits.changed_at) filter (
            where visits.source is not null and visits.changed_at <= coalesce(accepted.sao_at, {{ as_of() }})
        ) as last_source
    from accepted
    inner join visits on accepted.contact_key = visits.contact_key
    group by accepted.lead_key
),

chosen as (
    select
        accepted.*, touched.last_source, coalesce(
            touched.first_source,
            case when upper(accepted.contact_source) not like 'DIRECT%' then accepted.contact_source end,
            case when upper(accepted.recorded_source) not like 'DIRECT%' then accepted.recorded_source end,
            accepted.contact_source, accepted.recorded_source
        ) as source_first_touch
    from accepted
    left join touched on accepted.lead_key = touched.lead_key
)

select
    lead_key, source_first_touch, coalesce(last_source, source_first_touch) as source_sao_touch, converted_deal_key,
    coalesce(recorded_source <> source_first_touch, false) as is_source_conflict, converted_deal_key is not null and place_of_deal = 1 as is_first_of_deal
from chosen
