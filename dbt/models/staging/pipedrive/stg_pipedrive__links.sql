-- grain: one row per pair of records of which one names the other, as of (E, K); the participants of deals are those alive at K
-- the label of a person on a deal is the person's own role: the vendor has none on the deal
with participants as (
    {{ newest_links(source('pipedrive', 'deals_persons_links')) }}
),

invited as (
    select record_id, {{ json_text('item', 'person_id') }} as contact_id
    from {{ json_rows('(' ~ pd_records('activities') ~ ') as newest', 'record_id', 'p', 'participants') }} as listed
),

pairs as (
    select 'contacts' as from_object, contact_id as from_id, 'companies' as to_object, company_id as to_id, true as is_primary from {{ ref('stg_pipedrive__contacts') }}
    union all
    select 'deals', deal_id, 'companies', company_id, true from {{ ref('stg_pipedrive__deals') }}
    union all
    select 'deals', deal_id, 'contacts', contact_id, true from {{ ref('stg_pipedrive__deals') }}
    union all
    select 'deals', from_id, 'contacts', to_id, false from participants
    union all
    select 'deals', deal_id, 'line_items', line_item_id, false from {{ ref('stg_pipedrive__line_items') }}
    {%- for thing, others in {'contact': 'contacts', 'company': 'companies', 'deal': 'deals'}.items() %}
    union all
    select activity_type || 's', activity_id, '{{ others }}', {{ thing }}_id, false from {{ ref('stg_pipedrive__activities') }}
    {%- endfor %}
    union all
    select activities.activity_type || 's', activities.activity_id, 'contacts', invited.contact_id, false
    from {{ ref('stg_pipedrive__activities') }} as activities
    inner join invited on activities.activity_id = invited.record_id and activities.activity_type <> 'note'
)

select
    pairs.from_object, pairs.from_id, pairs.to_object, pairs.to_id, max(case when pairs.is_primary then 1 else 0 end) = 1 as is_primary,
    max(case when pairs.from_object = 'deals' then people.role end) as labels
from pairs
left join {{ ref('stg_pipedrive__contacts') }} as people on pairs.to_object = 'contacts' and pairs.to_id = people.contact_id
where pairs.from_id is not null and pairs.to_id is not null
group by pairs.from_object, pairs.from_id, pairs.to_object, pairs.to_id
