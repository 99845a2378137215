{{ config(materialized=intermediate()) }}
-- grain: one row per HubSpot owner id that a record names and no owner list explains
with mentioned as (
    {%- for model in ['deals', 'contacts', 'companies', 'leads', 'calls', 'emails', 'meetings', 'notes', 'tasks'] %}
    select owner_id, min(known_from) as known_from from {{ ref('stg_hubspot__' ~ model) }} where owner_id is not null group by owner_id
    union all
    {%- endfor %}
    select trim(value), min(known_from)
    from {{ ref('stg_hubspot__deals_history') }} where property = 'hubspot_owner_id' and trim(value) <> '' group by trim(value)
    union all
    select trim(value), min(known_from)
    from {{ ref('stg_hubspot__leads_history') }} where property = 'hubspot_owner_id' and trim(value) <> '' group by trim(value)
    union all
    select trim(value), min(known_from)
    from {{ ref('stg_hubspot__contacts_history') }} where property = 'hubspot_owner_id' and trim(value) <> '' group by trim(value)
)

select mentioned.owner_id, min(mentioned.known_from) as known_from
from mentioned
left join {{ ref('stg_hubspot__owners') }} as owners on mentioned.owner_id = owners.owner_id
where owners.owner_id is null
group by mentioned.owner_id
