{{ config(materialized=intermediate()) }}
-- grain: one row per deal of every source: what the record says beside its history
-- the source is that of the creation: the first one known, whatever was typed over it later
with first_sources as (
    select source, deal_id, min_by(lead_source, place) filter (where lead_source is not null) as lead_source
    from (
        select
            source, deal_id, lead_source,
            row_number() over (partition by source, deal_id order by version_at nulls last, landed_at nulls last, payload_hash nulls last) as place
        from {{ ref('int_crm__deals_landed') }} where not is_later and lead_source is not null
    ) as known
    group by source, deal_id
)

select
    deals.source || ':deal:' || deals.deal_id as deal_key, deals.source, deals.deal_id, deals.name, deals.url, deals.order_type_text,
    coalesce(first_sources.lead_source, deals.lead_source) as lead_source, deals.campaign, products.product, deals.competitor, deals.next_step, deals.loss_reason, case
        when contracts.line_count > 0 then contracts.acv else deals.acv
    end as acv,
    deals.created_at, {{ local_date('deals.created_at') }} as created_date, cast(null as date) as sao_date,
    cast(null as {{ instant_type() }}) as recorded_closed_at, deals.deleted_at as removed_at,
    case when deals.merged_into is not null then deals.source || ':deal:' || deals.merged_into end as merged_into_key,
    crm_companies.company_key, crm_contacts.contact_key, deals.known_from, deals.is_reconstructed, contracts.discount_share, contracts.margin_share
from {{ ref('int_crm__deals') }} as deals
left join {{ ref('int_pipeline__deal_contract_values') }} as contracts on deals.source || ':deal:' || deals.deal_id = contracts.deal_key
left join {{ ref('deal_products') }} as products on deals.source || ':deal:' || deals.deal_id = products.deal_key and products.is_primary
left join first_sources on deals.source = first_sources.source and deals.deal_id = first_sources.deal_id
left join {{ primary_linked('deals', 'company', ref('company_identities'), 'company_key') }} as crm_companies
    on deals.source = crm_companies.source and deals.deal_id = crm_companies.from_id
left join {{ primary_linked('deals', 'contact', ref('contact_identities'), 'contact_key') }} as crm_contacts
    on deals.source = crm_contacts.source and deals.deal_id = crm_contacts.from_id
union all
select
    'spreadsheets:deal:' || deals.deal_id, 'spreadsheets', deals.deal_id, deals.name, cast(null as string), deals.order_type, deals.lead_source,
    cast(null as string), products.product, cast(null as string), cast(null as string), deals.loss_reason, cast(null as decimal(18, 2)),
    case when deals.created_date is not null then {{ local_midnight('deals.created_date') }} end, deals.created_date, deals.sao_date,
    {{ sheet_closed_at() }},
    case when deals.is_deleted then deals.version_at end, cast(null as string), sheet_companies.company_key, people.contact_key, deals.known_from, deals.is_reconstructed,
    case when deals.amount between 0 and deals.list_value then 1 - cast(deals.amount as double) / nullif(cast(deals.list_value as double), 0) end,
    case when deals.amount > 0 and deals.cost >= 0 then 1 - cast(deals.cost as double) / nullif(cast(deals.amount as double), 0) end
from {{ ref('stg_spreadsheets__deals') }} as deals
left join {{ ref('deal_products') }} as products on 'spreadsheets:deal:' || deals.deal_id = products.deal_key and products.is_primary
left join {{ sheet_companies() }} as sheet_companies on lower(deals.company) = sheet_companies.spelling
left join (
    select contacts.email, min(identities.contact_key) as contact_key
    from {{ ref('int_crm__contacts') }} as contacts
    inner join {{ ref('contact_identities') }} as identities on contacts.source = identities.source and contacts.contact_id = identities.contact_id
    where contacts.email is not null group by contacts.email having count(distinct identities.contact_key) = 1
) as people on deals.contact_email = people.email
