-- grain: one row per living contact record, as the matching engine reads it
select
    contacts.record_key, contacts.source, contacts.created_at, contacts.updated_at, contacts.first_name, contacts.last_name, contacts.email,
    contacts.phone, contacts.mobile_phone, contacts.company_name, companies.record_key as company_record_key, contacts.title, contacts.city, contacts.country
from {{ ref('int_matching__contact_records') }} as contacts
left join {{ ref('int_matching__companies') }} as companies on contacts.company_root_key = companies.record_key
where contacts.record_state = 'alive'
