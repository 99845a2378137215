{{ config(materialized=intermediate()) }}
-- grain: one row per contact and lead episode, for CRMs that hold no lead record at all
-- An episode begins when a contact enters lead, marketingqualifiedlead or salesqualifiedlead from outside the three. The first
-- entry always counts (after `customer` too); a later one only after 90 quiet days: no change of stage, no call, e-mail or meeting.
with changes as (
    select
        source, contact_id, changed_at, value as stage,
        lag(value) over (partition by source, contact_id order by changed_at nulls last, position desc) as previous_stage,
        lag(changed_at) over (partition by source, contact_id order by changed_at nulls last, position desc) as previous_changed_at
    from {{ ref('int_crm__contacts_history') }}
    where field = 'lifecycle_stage'
),

entries as (
    select
        identities.contact_key, changes.source, changes.contact_id, changes.changed_at as created_at, changes.previous_changed_at,
        row_number() over by_contact as entry_number,
        lag(changes.changed_at) over by_contact as previous_entry_at
    from changes
    inner join {{ ref('contact_identities') }} as identities on changes.source = identities.source and changes.contact_id = identities.contact_id
    inner join {{ ref('int_pipeline__people') }} as contacts on identities.contact_key = contacts.contact_key and not contacts.is_removed
    where changes.stage in ('lead', 'marketingqualifiedlead', 'salesqualifiedlead')
        and coalesce(changes.previous_stage, '') not in ('lead', 'marketingqualifiedlead', 'salesqualifiedlead')
        and not exists (select 1 from {{ ref('int_crm__leads') }} as leads where leads.source = changes.source)
    window by_contact as (
        partition by identities.contact_key order by changes.changed_at nulls last, changes.source nulls last, changes.contact_id nulls last
    )
),

noisy as (
    select distinct entries.contact_key, entries.entry_number
    from entries
    inner join {{ ref('activity_links') }} as links on entries.contact_key = links.contact_key
    inner join {{ ref('activities') }} as activities on links.activity_key = activities.activity_key
    where activities.activity_type in ('call', 'email', 'meeting') and activities.occurred_at < entries.created_at
        and {{ elapsed_days('activities.occurred_at', 'entries.created_at') }} < 90
),

episodes as (
    select
        entries.*, row_number() over (partition by entries.contact_key order by entries.entry_number nulls last) as episode_number
    from entries
    left join noisy on entries.contact_key = noisy.contact_key and entries.entry_number = noisy.entry_number
    where entries.entry_number = 1 or (
        noisy.contact_key is null and {{ elapsed_days('entries.previous_entry_at', 'entries.created_at') }} >= 90
        and coalesce({{ elapsed_days('entries.previous_changed_at', 'entries.created_at') }} >= 90, true)
    )
),

owned as (
    select source, contact_id, changed_at, value as owner_id, is_automatic
    from {{ ref('int_crm__contacts_history') }}
    where field = 'owner_id' and position = 1
),

assigned as (
    select
        episodes.contact_key, episodes.episode_number,
        max_by(owned.owner_id, owned.changed_at) filter (where owned.changed_at <= episodes.created_at and owned.owner_id is not null) as first_owner_id,
        min(owned.changed_at) filter (where owned.changed_at > episodes.created_at and owned.owner_id <> '') as assigned_at,
        min_by(owned.owner_id, owned.changed_at)
            filter (where owned.changed_at > episodes.created_at and owned.owner_id is not null and owned.owner_id <> '') as assigned_owner_id,
        min_by(owned.is_automatic, owned.changed_at) filter (where owned.changed_at > episodes.created_at and owned.owner_id <> '' and owned.is_automatic is not null)
            as is_assigned_automatically
    from episodes
    inner join owned on episodes.source = owned.source and episodes.contact_id = owned.contact_id
    group by episodes.contact_key, episodes.episode_number
)

select
    replace(episodes.contact_key, ':contact:', ':lead:contact-') || '-' || cast(episodes.episode_number as string) as lead_key, episodes.source,
    episodes.contact_id as lead_id, 'lifecycle' as lead_rule, episodes.created_at, episodes.contact_key, contacts.company_key,
    nullif(assigned.first_owner_id, '') as first_owner_id, assigned.assigned_at, assigned.assigned_owner_id, assigned.is_assigned_automatically,
    records.owner_id as current_owner_id, cast(null as string) as recorded_source, records.campaign, cast(null as string) as pipeline,
    records.lifecycle_stage as stage, records.lead_status as disposition,
    case
        when lower(records.lead_status) like '%unqualified%' or lower(records.lead_status) like '%disqualified%' then 'disqualified'
        when records.lifecycle_stage in ('opportunity', 'customer', 'evangelist') then 'qualified'
        else 'open'
    end as lead_state,
    records.known_from,
    cast(null as {{ instant_type() }}) as dispositioned_at
from episodes
inner join {{ ref('int_pipeline__people') }} as contacts on episodes.contact_key = contacts.contact_key
inner join {{ ref('int_crm__contacts') }} as records on episodes.source = records.source and episodes.contact_id = records.contact_id
left join assigned on episodes.contact_key = assigned.contact_key and episodes.episode_number = assigned.episode_number
