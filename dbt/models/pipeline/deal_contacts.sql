-- grain: one row per deal and contact that is linked to it: the bridge; at most one is_primary per deal
-- Links have no history: they are those alive at K. Merged contacts are one, with the labels of all.
with links as (
    select links.source || ':deal:' || links.from_id as deal_key, identities.contact_key, lower(coalesce(links.labels, '')) as labels
    from {{ ref('int_crm__links') }} as links
    inner join {{ ref('contact_identities') }} as identities on links.to_id = identities.contact_id and links.source = identities.source
    where links.from_object = 'deals' and links.to_object = 'contacts'
    union all
    select deal_key, contact_key, '' from {{ ref('deals') }} where contact_key is not null
)

select
    cast(links.deal_key || '>' || links.contact_key as string) as link_key,
    cast(links.deal_key as string) as deal_key,
    cast(links.contact_key as string) as contact_key,
    cast(coalesce(max(deals.contact_key), '') = links.contact_key as boolean) as is_primary,
    cast(max(case when links.labels like '%decision maker%' or links.labels like '%beslutsfattare%' then 1 else 0 end) = 1 as boolean) as is_decision_maker
from links
inner join {{ ref('deals') }} as deals on links.deal_key = deals.deal_key
group by links.deal_key, links.contact_key
