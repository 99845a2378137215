{{ config(meta={'dagster': {'ref': {'name': 'contact_pairs'}}}) }}
-- I17: what is joined has one key, what was ruled apart has two, and the record that names a contact or company is one of its own: closure is idempotent
select 'contact' as thing, pair_key as record_key
from {{ ref('contact_pairs') }}
where (is_joined and left_contact_key <> right_contact_key)
    or (coalesce(ruling, 'none') in ('different', 'keep_apart') and left_contact_key = right_contact_key)
union all
select 'company', pair_key
from {{ ref('company_pairs') }}
where (is_joined and left_company_key <> right_company_key)
    or (coalesce(ruling, 'none') in ('different', 'keep_apart') and left_company_key = right_company_key)
union all
select 'contact', identities.contact_key
from {{ ref('contact_identities') }} as identities
left join {{ ref('contact_identities') }} as named on identities.contact_key = named.source || ':contact:' || named.contact_id
where coalesce(named.contact_key, '') <> identities.contact_key
union all
select 'company', identities.company_key
from {{ ref('company_identities') }} as identities
left join {{ ref('company_identities') }} as named on identities.company_key = named.source || ':company:' || named.company_id
where coalesce(named.company_key, '') <> identities.company_key
