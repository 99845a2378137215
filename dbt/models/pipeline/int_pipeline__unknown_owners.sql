{{ config(materialized=intermediate()) }}
-- grain: one row per CRM and owner id that a record names and no owner list explains
with mentioned as (
    {%- for entity in ['deals', 'contacts', 'companies', 'leads', 'activities'] %}
    select source, owner_id, min(known_from) as known_from from {{ ref('int_crm__' ~ entity) }} where owner_id is not null group by source, owner_id
    union all
    {%- endfor %}
    {%- for entity in ['deals_history', 'leads_history', 'contacts_history'] %}
    select source, value, min(known_from) from {{ ref('int_crm__' ~ entity) }} where field = 'owner_id' and value <> '' group by source, value
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select mentioned.source, mentioned.owner_id, min(mentioned.known_from) as known_from
from mentioned
left join {{ ref('int_crm__owners') }} as owners on mentioned.source = owners.source and mentioned.owner_id = owners.owner_id
where owners.owner_id is null
group by mentioned.source, mentioned.owner_id
