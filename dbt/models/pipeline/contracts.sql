-- grain: one row per contract and its one interval [start_date, end_date], both days in; end_date NULL = runs on
-- From the contract sheet; a changed yearly value is a contract of its own: a line with a new contract id. With [contracts] from_line_items also the
-- recurring line items of won deals, of customers that the sheet does not list: off by default, since a portal that records no renewals would show
-- every ended term as churn. What won it (owner, team, source) is the deal's, as it was won; segment, industry and country are the company's at
-- the win, without a deal at the start; the discount is the deal's. A company is found by the deal, else by the deal of another contract under the
-- same name, else by a name that one company alone bears in the CRM, else by its name or id in a sheet. customer_key is the account family that
-- retention counts. arr_base is at one rate for all time, the plan rate of the as-of day's fiscal year: currency alone is neither expansion nor contraction.
with given as (
    select * from {{ ref('stg_spreadsheets__contracts') }}
    where not is_deleted and start_date is not null
),

crm_names as (
    select lower(name) as spelling, min(company_key) as company_key
    from {{ ref('int_pipeline__company_records') }} where name is not null and source <> 'spreadsheets' and record_state = 'alive'
    group by lower(name) having count(distinct company_key) = 1
),

matched_deals as (
    select deal_id, min_by(deal_key, {{ crm_place('source') }}) filter (where deal_key is not null) as deal_key from {{ ref('deals') }} group by deal_id
),

won_by as (
    select given.*, deals.deal_key, deals.company_key as deal_company_key
    from given
    left join matched_deals on given.deal_id = matched_deals.deal_id
    left join {{ ref('deals') }} as deals on matched_deals.deal_key = deals.deal_key
),

names_of_deals as (
    select lower(company) as spelling, min(deal_company_key) as company_key
    from won_by where company is not null and deal_company_key is not null
    group by lower(company) having count(distinct deal_company_key) = 1
),

linked as (
    select
        won_by.contract_id, won_by.deal_key, won_by.company, won_by.start_date, won_by.end_date, won_by.arr, won_by.currency, won_by.known_from,
        coalesce(won_by.deal_company_key, names_of_deals.company_key, crm_names.company_key, listed.company_key) as company_key
    from won_by
    left join names_of_deals on lower(won_by.company) = names_of_deals.spelling
    left join crm_names on lower(won_by.company) = crm_names.spelling
    left join {{ sheet_companies() }} as listed on lower(won_by.company) = listed.spelling
),

signed as (
    select
        'spreadsheets' as source, contract_id, coalesce(company_key, 'name:' || lower(company), 'contract:' || contract_id) as customer_key,
        company_key, company, deal_key, start_date, end_date, arr, currency, known_from
    from linked
),

-- the sheet is whole for the customers that it lists
contracts as (
    select * from signed
    union all
    select
        items.source, items.line_item_id, items.customer_key, items.company_key, cast(null as string), items.deal_key, items.start_date, items.end_date,
        items.yearly_value, items.currency, items.known_from
    from {{ ref('int_pipeline__line_item_contracts') }} as items
    left join (select distinct customer_key from signed) as listed on items.customer_key = listed.customer_key
    where listed.customer_key is null and {{ var('contracts_from_line_items') | string | lower }}
),

won as (
    select
        contracts.*, deals.owner_key, deals.team, deals.lead_source, deals.discount_band,
        coalesce(deals.closed_at, {{ local_midnight('contracts.start_date') }}) as profiled_at
    from contracts
    left join {{ ref('deals') }} as deals on contracts.deal_key = deals.deal_key
)

select
    cast(won.source || ':contract:' || won.contract_id as string) as contract_key,
    cast(won.source as string) as source,
    cast(won.contract_id as string) as contract_id,
    cast(won.customer_key as string) as customer_key,
    cast(won.company_key as string) as company_key,
    cast(won.company as string) as company,
    cast(won.deal_key as string) as deal_key,
    cast(won.start_date as date) as start_date,
    cast(won.end_date as date) as end_date,
    cast(won.arr as decimal(18, 2)) as arr,
    cast(coalesce(won.currency, '{{ var("company_currency") }}') as string) as currency,
    cast({{ in_base('won.arr', "coalesce(won.currency, '" ~ var('company_currency') ~ "')", 'rates.plan_rate_to_base') }} as decimal(18, 2)) as arr_base,
    cast(won.owner_key as string) as acquiring_owner_key,
    cast(won.team as string) as acquiring_team,
    cast(profiles.segment as string) as segment_at_win,
    cast(profiles.industry as string) as industry_at_win,
    cast(profiles.employees_band as string) as employees_band_at_win,
    cast(profiles.country as string) as country_at_win,
    cast(won.lead_source as string) as source_at_win,
    cast(coalesce(won.discount_band, 'unknown') as string) as discount_band,
    won.known_from
from won
left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'won.currency', as_of_date()) }}
left join {{ ref('company_versions') }} as profiles
    on won.company_key = profiles.company_key and won.profiled_at >= profiles.valid_from
    and (won.profiled_at < profiles.valid_to or profiles.valid_to is null)
