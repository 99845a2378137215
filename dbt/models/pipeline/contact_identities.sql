-- grain: one row per source contact: the person (at one employer) that it is
-- joined are: records merged in the CRM, and equal normalised e-mail inside one employer; never role mailboxes, never a
-- mailbox with more than three surnames on it. Removed records keep their key and lend it to nobody
with recursive crm as (
    select
        contact_id, email, lower(last_name) as last_name, merged_into, deletion, created_at, known_from,
        case
            when {{ matches('email', '^[^@]+@(gmail|googlemail)[.]com$') }}
                then replace({{ replace_all('email', '([+].*)?@.*$', '') }}, '.', '') || '@gmail.com'
            else email
        end as mailbox
    from {{ ref('stg_hubspot__contacts') }}
),

{{ merge_roots('crm', 'contact_id') }},

employers as (
    select links.contact_id, min_by(identities.company_key, case when links.is_primary then '0' else '1' end || identities.company_key) as company_key
    from {{ ref('stg_hubspot__contacts_companies_links') }} as links
    inner join {{ ref('company_identities') }} as identities on links.company_id = identities.company_id and identities.source = 'hubspot'
    group by links.contact_id
),

personal_mailboxes as (
    select crm.mailbox
    from crm
    left join {{ ref('role_mailboxes') }} as roles on crm.mailbox like roles.mailbox || '@%'
    where crm.mailbox like '%_@_%' and roles.mailbox is null
    group by crm.mailbox
    having count(distinct crm.last_name) <= 3
),

living as (
    select
        crm.contact_id, crm.mailbox, crm.created_at, coalesce(
            employers.company_key,
            case when min(employers.company_key) over (partition by crm.mailbox) = max(employers.company_key) over (partition by crm.mailbox)
                then max(employers.company_key) over (partition by crm.mailbox) end, 'none'
        ) as employer
    from crm
    inner join personal_mailboxes on crm.mailbox = personal_mailboxes.mailbox
    left join employers on crm.contact_id = employers.contact_id
    where crm.deletion is null
),

same_mailbox as (
    select contact_id, first_value(contact_id) over (partition by mailbox, employer order by created_at nulls last, contact_id nulls last) as golden_id
    from living
)

select
    cast('hubspot' as string) as source,
    cast(crm.contact_id as string) as contact_id,
    cast('hubspot:contact:' || coalesce(same_mailbox.golden_id, roots.root_id) as string) as contact_key,
    cast('hubspot:contact:' || coalesce(same_mailbox.golden_id, roots.root_id) as string) as person_key,
    coalesce(crm.created_at, crm.known_from) as valid_from,
    cast(null as {{ instant_type() }}) as valid_to,
    cast(case
        when coalesce(same_mailbox.golden_id, roots.root_id) = crm.contact_id then 'own record'
        when roots.root_id <> crm.contact_id then 'merged in HubSpot'
        else 'same e-mail at the same company'
    end as string) as reason
from crm
inner join roots on crm.contact_id = roots.contact_id
left join same_mailbox on roots.root_id = same_mailbox.contact_id
