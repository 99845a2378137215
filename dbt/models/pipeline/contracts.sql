-- grain: one row per contract of the contract sheet and its one interval [start_date, end_date], both days in; end_date NULL = runs on
-- A changed yearly value is a contract of its own: a line with a new contract id. What won it (owner, team, source) is the deal's, as it was
-- won; segment, industry and country are the company's at the win, without a deal at the start. A company is found by the deal, else by the
-- deal of another contract under the same name, else by a name that one company alone bears in the CRM, else by its name or id in a sheet.
-- customer_key is the account family that retention counts.
with given as (
    select * from {{ ref('stg_spreadsheets__contracts') }} where not is_deleted and start_date is not null
),

crm_names as (
    select lower(name) as spelling, min(company_key) as company_key
    from {{ ref('companies') }} where name is not null and company_key like 'hubspot:%' and not is_removed
    group by lower(name) having count(*) = 1
),

matched_deals as (
    select deal_id, min_by(deal_key, source) as deal_key from {{ ref('deals') }} group by deal_id
),

won_by as (
    select given.*, deals.deal_key, deals.owner_key, deals.team, deals.lead_source, deals.closed_at, deals.company_key as deal_company_key
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
        won_by.*, coalesce(won_by.deal_company_key, names_of_deals.company_key, crm_names.company_key, listed.company_key) as company_key
    from won_by
    left join names_of_deals on lower(won_by.company) = names_of_deals.spelling
    left join crm_names on lower(won_by.company) = crm_names.spelling
    left join {{ sheet_companies() }} as listed on lower(won_by.company) = listed.spelling
)

select
    cast('spreadsheets:contract:' || linked.contract_id as string) as contract_key,
    cast('spreadsheets' as string) as source,
    cast(linked.contract_id as string) as contract_id,
    cast(coalesce(linked.company_key, 'name:' || lower(linked.company), 'contract:' || linked.contract_id) as string) as customer_key,
    cast(linked.company_key as string) as company_key,
    cast(linked.company as string) as company,
    cast(linked.deal_key as string) as deal_key,
    cast(linked.start_date as date) as start_date,
    cast(linked.end_date as date) as end_date,
    cast(linked.arr as decimal(18, 2)) as arr,
    cast(coalesce(linked.currency, '{{ var("company_currency") }}') as string) as currency,
    cast(case when coalesce(linked.currency, '{{ var("company_currency") }}') = '{{ var("company_currency") }}' then linked.arr end as decimal(18, 2)) as arr_base,
    cast(linked.owner_key as string) as acquiring_owner_key,
    cast(linked.team as string) as acquiring_team,
    cast(profiles.segment as string) as segment_at_win,
    cast(profiles.industry as string) as industry_at_win,
    cast(profiles.country as string) as country_at_win,
    cast(linked.lead_source as string) as source_at_win,
    linked.known_from
from linked
left join {{ ref('company_versions') }} as profiles
    on linked.company_key = profiles.company_key and coalesce(linked.closed_at, {{ local_midnight('linked.start_date') }}) >= profiles.valid_from
    and (coalesce(linked.closed_at, {{ local_midnight('linked.start_date') }}) < profiles.valid_to or profiles.valid_to is null)
