-- grain: one row per deal and company that is linked to it: the bridge; at most one is_primary per deal, whatever the CRM marked
-- Links have no history: they are those alive at K. Merged companies are one.
with links as (
    select links.source || ':deal:' || links.from_id as deal_key, identities.company_key, links.is_primary as is_marked
    from {{ ref('int_crm__links') }} as links
    inner join {{ ref('company_identities') }} as identities on links.to_id = identities.company_id and links.source = identities.source
    where links.from_object = 'deals' and links.to_object = 'companies'
    union all
    select deal_key, company_key, false from {{ ref('deals') }} where company_key is not null
)

select
    cast(links.deal_key || '>' || links.company_key as string) as link_key,
    cast(links.deal_key as string) as deal_key,
    cast(links.company_key as string) as company_key,
    cast(coalesce(max(deals.company_key), '') = links.company_key as boolean) as is_primary,
    cast(max(case when links.is_marked then 1 else 0 end) = 1 as boolean) as is_marked_primary
from links
inner join {{ ref('deals') }} as deals on links.deal_key = deals.deal_key
group by links.deal_key, links.company_key
