{{ config(materialized=intermediate()) }}
-- grain: one row per HubSpot lead record alive at E; leads merged into one another are one, from the earliest creation
with recursive records as (
    select lead_id, merged_into, deletion from {{ ref('stg_hubspot__leads') }}
),

{{ merge_roots('records', 'lead_id') }},

members as (
    select roots.root_id as lead_id, min(coalesce(leads.created_at, leads.version_at)) as created_at
    from roots
    inner join {{ ref('stg_hubspot__leads') }} as leads on roots.lead_id = leads.lead_id
    group by roots.root_id
),

people as (
    select roots.root_id as lead_id, min_by(identities.contact_key, {{ primary_first('links', 'contact_id') }}) filter (where identities.contact_key is not null) as contact_key
    from roots
    inner join {{ ref('stg_hubspot__leads_contacts_links') }} as links on roots.lead_id = links.lead_id
    inner join {{ ref('contact_identities') }} as identities on links.contact_id = identities.contact_id and identities.source = 'hubspot'
    group by roots.root_id
),

employers as (
    select roots.root_id as lead_id, min_by(identities.company_key, {{ primary_first('links', 'company_id') }}) filter (where identities.company_key is not null) as company_key
    from roots
    inner join {{ ref('stg_hubspot__leads_companies_links') }} as links on roots.lead_id = links.lead_id
    inner join {{ ref('company_identities') }} as identities on links.company_id = identities.company_id and identities.source = 'hubspot'
    group by roots.root_id
),

-- what the lead's owner was, by any of the merged records
owned as (
    select roots.root_id as lead_id, history.changed_at, trim(history.value) as owner_id, history.source_type, history.position
    from roots
    inner join {{ ref('stg_hubspot__leads_history') }} as history on roots.lead_id = history.lead_id and history.property = 'hubspot_owner_id'
),

assigned as (
    select
        members.lead_id,
        max_by(owned.owner_id, owned.changed_at) filter (where owned.changed_at <= members.created_at and owned.owner_id is not null) as first_owner_id,
        min(owned.changed_at) filter (where owned.changed_at > members.created_at and owned.owner_id <> '') as assigned_at,
        min_by(owned.owner_id, owned.changed_at)
            filter (where owned.changed_at > members.created_at and owned.owner_id is not null and owned.owner_id <> '') as assigned_owner_id,
        min_by(coalesce(owned.source_type, 'UNKNOWN'), owned.changed_at) filter (where owned.changed_at > members.created_at and owned.owner_id <> '')
            as assigned_by
    from members
    inner join owned on members.lead_id = owned.lead_id and owned.position = 1
    group by members.lead_id
),

-- dispositioned: it left the first stage of its pipeline, by any of the merged records
moved as (
    select roots.root_id as lead_id, history.changed_at, trim(history.value) as stage_id
    from roots
    inner join {{ ref('stg_hubspot__leads_history') }} as history
        on roots.lead_id = history.lead_id and history.property = 'hs_pipeline_stage' and history.position = 1
),

dispositions as (
    select leads.lead_id, min(moved.changed_at) as dispositioned_at
    from {{ ref('stg_hubspot__leads') }} as leads
    inner join moved on leads.lead_id = moved.lead_id
    inner join {{ ref('stg_hubspot__lead_pipeline_stages') }} as stages
        on leads.pipeline_id = stages.pipeline_id and moved.stage_id = stages.stage_id and (stages.life_state <> 'open' or stages.stage_rank > 1)
    group by leads.lead_id
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
    leads.known_from,
    coalesce(
        dispositions.dispositioned_at,
        case when leads.disqualification_reason is not null or stages.life_state <> 'open' or stages.stage_rank > 1 then members.created_at end
    ) as dispositioned_at
from {{ ref('stg_hubspot__leads') }} as leads
inner join members on leads.lead_id = members.lead_id
left join people on leads.lead_id = people.lead_id
left join employers on leads.lead_id = employers.lead_id
left join assigned on leads.lead_id = assigned.lead_id
left join dispositions on leads.lead_id = dispositions.lead_id
left join {{ ref('stg_hubspot__lead_pipeline_stages') }} as stages on leads.pipeline_id = stages.pipeline_id and leads.stage_id = stages.stage_id
where leads.deletion is null
