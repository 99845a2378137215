{{ config(materialized=intermediate()) }}
-- grain: one row per person at one employer, or one role mailbox; values of its earliest record, gaps filled from the others (contacts adds M31)
with members as (
    select
        identities.contact_key, contacts.*, 'hubspot:contact:' || contacts.contact_id = identities.contact_key as is_root,
        row_number() over (
            partition by identities.contact_key
            order by case when 'hubspot:contact:' || contacts.contact_id = identities.contact_key then 0 else 1 end,
                case when contacts.deletion is null then 0 else 1 end, contacts.created_at nulls last, contacts.contact_id nulls last
        ) as place
    from {{ ref('stg_hubspot__contacts') }} as contacts
    inner join {{ ref('contact_identities') }} as identities on contacts.contact_id = identities.contact_id and identities.source = 'hubspot'
),

employers as (
    select
        members.contact_key,
        min_by(identities.company_key, members.place * 2 + case when links.is_primary then 0 else 1 end)
            filter (where identities.company_key is not null) as company_key
    from members
    inner join {{ ref('stg_hubspot__contacts_companies_links') }} as links on members.contact_id = links.contact_id
    inner join {{ ref('company_identities') }} as identities on links.company_id = identities.company_id and identities.source = 'hubspot'
    group by members.contact_key
),

people as (
    select
        contact_key,
        {%- for column in ['email', 'phone', 'title', 'country', 'lifecycle_stage', 'owner_id', 'first_source', 'campaign'] %}
        min_by({{ column }}, case when {{ column }} is not null then place end) as {{ column }},
        {%- endfor %}
        min_by(concat_ws(' ', first_name, last_name), case when coalesce(first_name, last_name) is not null then place end) as full_name,
        {{ ordered_list("'hubspot:' || contact_id", 'place, contact_id') }} as source_ids,
        min(case when deletion is null then 0 else 1 end) = 1 as is_removed,
        min(created_at) as created_at, min(known_from) as known_from
    from members
    group by contact_key
)

select
    cast(people.contact_key as string) as contact_key,
    cast(people.contact_key as string) as person_key,
    cast(people.full_name as string) as full_name,
    cast(people.email as string) as email,
    cast(people.phone as string) as phone,
    cast(people.title as string) as title,
    cast(employers.company_key as string) as company_key,
    cast(people.country as string) as country,
    cast(people.lifecycle_stage as string) as lifecycle_stage,
    cast('hubspot:owner:' || people.owner_id as string) as owner_key,
    cast(people.first_source as string) as lead_source,
    cast(people.campaign as string) as campaign,
    cast(people.source_ids as string) as source_ids,
    cast(people.is_removed as boolean) as is_removed,
    people.created_at,
    people.known_from
from people
left join employers on people.contact_key = employers.contact_key
