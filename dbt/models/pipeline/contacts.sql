-- grain: one row per person at one employer, or one role mailbox; whether the record is still right is M31's
select
    cast(people.contact_key as string) as contact_key,
    cast(people.person_key as string) as person_key,
    cast(people.full_name as string) as full_name,
    cast(people.email as string) as email,
    cast(people.phone as string) as phone,
    cast(people.title as string) as title,
    cast(people.company_key as string) as company_key,
    cast(people.country as string) as country,
    cast(people.lifecycle_stage as string) as lifecycle_stage,
    cast(people.owner_key as string) as owner_key,
    cast(people.lead_source as string) as lead_source,
    cast(people.campaign as string) as campaign,
    cast(coalesce(states.decay_status, 'silent') as string) as decay_status,
    states.verified_at,
    states.failed_at,
    cast(people.source_ids as string) as source_ids,
    cast(people.record_count as bigint) as record_count,
    cast(people.is_removed as boolean) as is_removed,
    people.created_at,
    people.known_from
from {{ ref('int_pipeline__people') }} as people
left join {{ ref('int_pipeline__contact_states') }} as states on people.contact_key = states.contact_key
