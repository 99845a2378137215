{{ config(materialized=intermediate()) }}
-- grain: one row per customer with a countable contract: what acquired it, which is its first contract and the deal behind that one
select
    firsts.customer_key, firsts.start_date as first_date, contracts.company_key,
    coalesce(deals.closed_at, {{ local_midnight('firsts.start_date') }}) as won_at, contracts.deal_key, contracts.acquiring_owner_key as owner_key,
    coalesce(owners.name, owners.email, contracts.acquiring_owner_key) as owner, contracts.acquiring_team as team,
    contracts.segment_at_win as segment, contracts.industry_at_win as industry, contracts.employees_band_at_win as employees_band,
    contracts.country_at_win as country, contracts.source_at_win as source, contracts.discount_band,
    deals.product, coalesce(deals.order_type, 'unknown') as order_type, deals.deal_size_band, deals.pipeline
from (
    select
        contract_key, customer_key, start_date,
        row_number() over (partition by customer_key order by start_date nulls last, contract_key nulls last) as place
    from {{ ref('int_kpi__customer_contracts') }}
) as firsts
inner join {{ ref('contracts') }} as contracts on firsts.contract_key = contracts.contract_key
left join {{ ref('deals') }} as deals on contracts.deal_key = deals.deal_key
left join {{ ref('owners') }} as owners on contracts.acquiring_owner_key = owners.owner_key
where firsts.place = 1
