{{ config(materialized=intermediate()) }}
-- grain: one row per CRM owner with the e-mail of an owner in an earlier CRM (order of crm_sources()): the key of the seller that both are
with listed as (
    select source, owner_id, email, {{ crm_place('source') }} as place from {{ ref('int_crm__owners') }} where email is not null
),

firsts as (
    select email, min(place) as place from listed group by email
),

named as (
    select listed.email, firsts.place, min(listed.source || ':owner:' || listed.owner_id) as owner_key
    from listed
    inner join firsts on listed.email = firsts.email and listed.place = firsts.place
    group by listed.email, firsts.place
)

select listed.source, listed.owner_id, named.owner_key
from listed
inner join named on listed.email = named.email and listed.place > named.place
