{{ config(materialized='ephemeral') }}
-- grain: one row per HubSpot lead record alive at E; leads merged into one another are one, from the earliest creation
with recursive chain (member_id, root_id, depth) as (
    select lead_id as member_id, lead_id as root_id, 0 as depth from {{ ref('stg_hubspot__leads') }}
    union all
    select chain.member_id, survivor.lead_id, chain.depth + 1
    from chain
    inner join {{ ref('stg_hubspot__leads') }} as member on chain.root_id = member.lead_id and member.deletion = 'merged'
    inner join {{ ref('stg_hubspot__leads') }} as survivor on member.merged_into = survivor.lead_id
    where chain.depth < 50
),

roots as (
    select member_id, max_by(root_id, depth) as lead_id from chain group by member_id
),

members as (
    select roots.lead_id, min(coalesce(leads.created_at, leads.version_at)) as created_at
    from roots
    inner join {{ ref('stg_hubspot__leads') }} as leads on roots.member_id = leads.lead_id
    group by roots.lead_id
),

people as (
    select roots.lead_id, min_by(identities.contact_key, case when links.is_primary then '0' else '1' end || lpad(links.contact_id, 20, '0')) as contact_key
    from roots
    inner join {{ ref('stg_hubspot__leads_contacts_links') }} as links on roots.member_id = links.lead_id
    inner join {{ ref('contact_identities') }} as identities on links.contact_id = identities.contact_id and identities.source = 'hubspot'
    group by roots.lead_id
),

employers as (
    select roots.lead_id, min_by(identities.company_key, case when links.is_primary then '0' else '1' end || lpad(links.company_id, 20, '0')) as company_key
    from roots
    inner join {{ ref('stg_hubspot__leads_companies_links') }} as links on roots.member_id = links.lead_id
    inner join {{ ref('company_identities') }} as identities on links.company_id = identities.company_id and identities.source = 'hubspot'
    group by roots.lead_id
),

-- what the lead's owner was, by any of the merged records
owned as (
    select roots.lead_id, history.changed_at, trim(history.value) as owner_id, history.source_type, history.position
    from roots
    inner join {{ ref('stg_hubspot__leads_history') }} as history on roots.member_id = history.lead_id and history.property = 'hubspot_owner_id'
),

assigned as (
    select
        members.lead_id,
        max_by(owned.owner_id, owned.changed_at) filter (where owned.changed_at <= members.created_at) as first_owner_id,
        min(owned.changed_at) filter (where owned.changed_at > members.created_at and owned.owner_id <> '') as assigned_at,
        min_by(owned.owner_id, owned.changed_at) filter (where owned.changed_at > members.created_at and owned.owner_id <> '') as assigned_owner_id,
        min_by(coalesce(owned.source_type, 'UNKNOWN'), owned.changed_at) filter (where owned.changed_at > members.created_at and owned.owner_id <> '')
            as assigned_by
    from members
    inner join owned on members.lead_id = owned.lead_id and owned.position = 1
    group by members.lead_id
)

select
    'hubspot:lead:' || leads.lead_id as lead_key, leads.lead_id, 'lead_record' as lead_rule, members.created_at,
    people.contact_key, employers.company_key,
    nullif(assigned.first_owner_id, '') as first_owner_id, assigned.assigned_at, assigned.assigned_owner_id, assigned.assigned_by,
    leads.owner_id as current_owner_id, leads.lead_source as recorded_source, leads.campaign, stages.pipeline, stages.label as stage,
    leads.disqualification_reason as disposition,
    case
        when leads.disqualification_reason is not null or stages.life_state = 'lost' then 'disqualified'
        when stages.life_state = 'won' then 'qualified'
        else 'open'
    end as lead_state,
    leads.known_from
from {{ ref('stg_hubspot__leads') }} as leads
inner join members on leads.lead_id = members.lead_id
left join people on leads.lead_id = people.lead_id
left join employers on leads.lead_id = employers.lead_id
left join assigned on leads.lead_id = assigned.lead_id
left join {{ ref('stg_hubspot__lead_pipeline_stages') }} as stages on leads.pipeline_id = stages.pipeline_id and leads.stage_id = stages.stage_id
where leads.deletion is null
