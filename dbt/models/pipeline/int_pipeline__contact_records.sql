{{ config(materialized=intermediate()) }}
-- grain: one row per source contact: which record of a contact its golden values come from, by the order of each rule (1 = first choice)
-- age_place: the record that names the contact, then living ones, oldest first: what was so from the start. change_place: living, changed last.
-- email_place: at the employer's own domain, then at no free-mail domain, never a role mailbox before a personal one, changed last.
-- phone_place: a number of this contact alone before one that others have too. name_place: first and last name, with its diacritics, longest.
with members as (
    select
        identities.contact_key, identities.person_key, identities.owner_key, companies.company_key, records.*, {{ replace_all('records.email', '^.*@', '') }} as email_domain,
        {{ mailbox_letters('records.email') }} as mailbox, {{ replace_all('records.phone', '[^0-9]', '') }} as digits,
        nullif(concat_ws(' ', records.first_name, records.last_name), '') as full_name, golden.domain as company_domain
    from {{ ref('int_matching__contact_records') }} as records
    inner join {{ ref('contact_identities') }} as identities on records.source = identities.source and records.contact_id = identities.contact_id
    left join {{ ref('company_identities') }} as companies on records.company_root_key = companies.source || ':company:' || companies.company_id
    left join {{ ref('companies') }} as golden on companies.company_key = golden.company_key
),

phones as (
    select digits, count(distinct person_key) as person_count from members where digits <> '' and record_state = 'alive' group by digits
),

weighed as (
    select
        members.*, case when members.record_state = 'alive' then 0 else 1 end as rest, case
            when roles.mailbox is not null then 3
            when members.email_domain = {{ replace_all('members.company_domain', '^www[.]', '') }} then 0
            when free.domain is null then 1 else 2
        end as email_rank,
        case when phones.person_count = 1 then 0 else 1 end as phone_rank,
        case when members.first_name is not null and members.last_name is not null then 0 else 1 end as name_rank,
        case when {{ matches('members.full_name', '[À-ÿ]') }} and not {{ matches('members.full_name', '[ÃÂ]') }} then 0 else 1 end as plain_rank
    from members
    left join phones on members.digits = phones.digits
    left join {{ ref('role_mailboxes') }} as roles on members.mailbox = roles.mailbox
    left join {{ ref('free_mail_domains') }} as free on members.email_domain = free.domain
)

select
    *,
    row_number() over (
        partition by contact_key order by case when record_key = contact_key then 0 else 1 end, rest nulls last, created_at nulls last, record_key nulls last
    ) as age_place,
    row_number() over (partition by contact_key order by rest nulls last, updated_at desc, record_key nulls last) as change_place,
    row_number() over (partition by contact_key order by rest nulls last, email_rank nulls last, updated_at desc, record_key nulls last) as email_place,
    row_number() over (partition by contact_key order by rest nulls last, phone_rank nulls last, updated_at desc, record_key nulls last) as phone_place,
    row_number() over (
        partition by contact_key order by rest nulls last, name_rank nulls last, plain_rank nulls last, length(full_name) desc, updated_at desc, record_key nulls last
    ) as name_place
from weighed
