{{ config(materialized=intermediate()) }}
-- grain: one row per CRM lead record alive at E; leads merged into one another are one, from the earliest creation
with recursive records as (
    select *, source || ':lead:' || lead_id as lead_key, source || ':lead:' || merged_into as merged_into_key from {{ ref('int_crm__leads') }}
),

{{ merge_roots('records', 'lead_key', 'merged_into_key') }},

members as (
    select roots.root_id as lead_key, min(coalesce(leads.created_at, leads.version_at)) as created_at
    from roots
    inner join records as leads on roots.lead_key = leads.lead_key
    group by roots.root_id
),

people as (
    select roots.root_id as lead_key, min_by(identities.contact_key, {{ primary_first('links', 'to_id') }}) filter (where identities.contact_key is not null) as contact_key
    from roots
    inner join {{ ref('int_crm__links') }} as links on roots.lead_key = links.source || ':lead:' || links.from_id
    inner join {{ ref('contact_identities') }} as identities on links.to_id = identities.contact_id and links.source = identities.source
    where links.from_object = 'leads' and links.to_object = 'contacts'
    group by roots.root_id
),

employers as (
    select roots.root_id as lead_key, min_by(identities.company_key, {{ primary_first('links', 'to_id') }}) filter (where identities.company_key is not null) as company_key
    from roots
    inner join {{ ref('int_crm__links') }} as links on roots.lead_key = links.source || ':lead:' || links.from_id
    inner join {{ ref('company_identities') }} as identities on links.to_id = identities.company_id and links.source = identities.source
    where links.from_object = 'leads' and links.to_object = 'companies'
    group by roots.root_id
),

-- what the lead's owner was, by any of the merged records
owned as (
    select roots.root_id as lead_key, history.changed_at, history.value as owner_id, history.is_automatic, history.position
    from roots
    inner join {{ ref('int_crm__leads_history') }} as history
        on roots.lead_key = history.source || ':lead:' || history.lead_id and history.field = 'owner_id'
),

assigned as (
    select
        members.lead_key,
        max_by(owned.owner_id, owned.changed_at) filter (where owned.changed_at <= members.created_at and owned.owner_id is not null) as first_owner_id,
        min(owned.changed_at) filter (where owned.changed_at > members.created_at and owned.owner_id <> '') as assigned_at,
        min_by(owned.owner_id, owned.changed_at)
            filter (where owned.changed_at > members.created_at and owned.owner_id is not null and owned.owner_id <> '') as assigned_owner_id,
        min_by(owned.is_automatic, owned.changed_at) filter (where owned.changed_at > members.created_at and owned.owner_id <> '' and owned.is_automatic is not null)
            as is_assigned_automatically
    from members
    inner join owned on members.lead_key = owned.lead_key and owned.position = 1
    group by members.lead_key
),

-- dispositioned: it left the first stage of its pipeline, by any of the merged records
moved as (
    select roots.root_id as lead_key, history.changed_at, history.value as stage_id
    from roots
    inner join {{ ref('int_crm__leads_history') }} as history
        on roots.lead_key = history.source || ':lead:' || history.lead_id and history.field = 'stage_id' and history.position = 1
),

-- one key of both sides: by pipeline and stage apart, every lead meets every move of any before they are held against each other
dispositions as (
    select leads.lead_key, min(moved.changed_at) as dispositioned_at
    from records as leads
    inner join moved on leads.lead_key = moved.lead_key
    inner join {{ ref('int_crm__lead_pipeline_stages') }} as stages
        on leads.source || ':' || leads.pipeline_id || ':' || moved.stage_id = stages.source || ':' || stages.pipeline_id || ':' || stages.stage_id
        and (stages.life_state <> 'open' or stages.stage_rank > 1)
    group by leads.lead_key
)

select
    leads.lead_key, leads.source, leads.lead_id, 'lead_record' as lead_rule, members.created_at,
    people.contact_key, employers.company_key,
    nullif(assigned.first_owner_id, '') as first_owner_id, assigned.assigned_at, assigned.assigned_owner_id, assigned.is_assigned_automatically,
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
from records as leads
inner join members on leads.lead_key = members.lead_key
left join people on leads.lead_key = people.lead_key
left join employers on leads.lead_key = employers.lead_key
left join assigned on leads.lead_key = assigned.lead_key
left join dispositions on leads.lead_key = dispositions.lead_key
left join {{ ref('int_crm__lead_pipeline_stages') }} as stages
    on leads.source = stages.source and leads.pipeline_id = stages.pipeline_id and leads.stage_id = stages.stage_id
where leads.deletion is null
