{{ config(materialized=intermediate()) }}
-- grain: one row per deal, buyer contact and local day with a two-way touch of that person that is linked to the deal
-- Shared mailboxes and people of internal domains are no buyers; merged records are one person.
with buyers as (
    select contacts.contact_key
    from {{ ref('contacts') }} as contacts
    left join {{ ref('role_mailboxes') }} as roles on {{ mailbox_letters('lower(contacts.email)') }} = roles.mailbox
    left join {{ text_rows(as_rows(var('internal_domains')), ['domain']) }} as internal on lower(contacts.email) like '%@' || lower(internal.domain)
    where roles.mailbox is null and internal.domain is null
)

select distinct of_deal.deal_key, of_contact.contact_key, activities.occurred_date
from {{ ref('activities') }} as activities
inner join {{ ref('activity_links') }} as of_deal on activities.activity_key = of_deal.activity_key and of_deal.deal_key is not null
inner join {{ ref('activity_links') }} as of_contact on activities.activity_key = of_contact.activity_key and of_contact.contact_key is not null
inner join buyers on of_contact.contact_key = buyers.contact_key
where activities.is_two_way and activities.occurred_at <= {{ as_of() }}
