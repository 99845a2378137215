{{ config(materialized=intermediate()) }}
-- grain: one row per CRM and user: the seller that it is
select owners.source, owners.user_id, min({{ seller_key('owners.source', 'owners.owner_id', 'same') }}) as owner_key
from {{ ref('int_crm__owners') }} as owners
left join {{ ref('int_pipeline__same_owners') }} as same on {{ same_seller('owners.source', 'owners.owner_id', 'same') }}
where owners.user_id is not null
group by owners.source, owners.user_id
