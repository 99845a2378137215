-- grain: one row per supplier (register or sheet) and attribute that it gives of any company, as of E
-- M32. Agreement is counted by pair: this supplier's value against that of each other supplier, and of the CRM where the company bears one. Read the
-- fill rates of won and lost deals first: where won ones were enriched and lost ones were not, every attribute looks as if it won deals.
with attributes as (
    select attributes.*
    from {{ ref('company_attributes') }} as attributes
    inner join {{ ref('companies') }} as companies on attributes.company_key = companies.company_key and not companies.is_removed
),

present as (
    select company_key, source, attribute, value, observed_at from attributes where valid_to is null
),

of_the_crm as (
    select company_key, attribute, value
    from (
        select company_key, 'domain' as attribute, domain as value from {{ ref('companies') }} where not is_removed
        union all
        select company_key, 'employees_band', employees_band from {{ ref('companies') }} where not is_removed
    ) as own
    where value is not null
),

opinions as (
    select company_key, source, attribute, value from present
    union all
    select company_key, 'CRM', attribute, value from of_the_crm
),

compared as (
    select
        present.source, present.attribute, count(*) as compared_count,
        count(*) filter (where lower(present.value) = lower(others.value)) as agreeing_count
    from present
    inner join opinions as others on present.company_key = others.company_key and present.attribute = others.attribute and present.source <> others.source
    group by present.source, present.attribute
),

-- a deal's company is filled if the value was true and observed when the deal was made
decided as (
    select deal_key, company_key, life_state, coalesce(created_at, first_observed_at) as moment_at
    from {{ ref('int_kpi__deals') }} where is_rate_deal and life_state in ('won', 'lost')
),

of_deals as (
    select
        attributes.source, attributes.attribute, count(distinct case when decided.life_state = 'won' then decided.deal_key end) as won_filled_count,
        count(distinct case when decided.life_state = 'lost' then decided.deal_key end) as lost_filled_count
    from decided
    inner join attributes on decided.company_key = attributes.company_key
        and decided.moment_at >= greatest(attributes.valid_from, attributes.observed_at)
        and (decided.moment_at < attributes.valid_to or attributes.valid_to is null)
    group by attributes.source, attributes.attribute
),

kinds as (
    select source, attribute from attributes group by source, attribute
),

matched as (
    select source, count(distinct company_key) as matched_count from attributes group by source
),

filled as (
    select
        source, attribute, count(*) as filled_count,
        {{ median_of(elapsed_days('observed_at', as_of()), 'true') }} as age_days_median
    from present group by source, attribute
),

totals as (
    select
        (select count(*) from {{ ref('companies') }} where not is_removed) as company_count,
        (select count(*) from decided where life_state = 'won') as won_count,
        (select count(*) from decided where life_state = 'lost') as lost_count
)

select
    cast(kinds.source || '>' || kinds.attribute as string) as row_key,
    cast(kinds.source as string) as source,
    cast(kinds.attribute as string) as attribute,
    cast(totals.company_count as bigint) as company_count,
    cast(matched.matched_count as bigint) as matched_count,
    cast(matched.matched_count / nullif(cast(totals.company_count as double), 0) as double) as match_rate,
    cast(coalesce(filled.filled_count, 0) as bigint) as filled_count,
    cast(coalesce(filled.filled_count, 0) / nullif(cast(matched.matched_count as double), 0) as double) as fill_rate,
    cast(coalesce(compared.compared_count, 0) as bigint) as compared_count,
    cast(coalesce(compared.agreeing_count, 0) as bigint) as agreeing_count,
    cast(compared.agreeing_count / nullif(cast(compared.compared_count as double), 0) as double) as agreement_rate,
    cast(filled.age_days_median as double) as age_days_median,
    cast(totals.won_count as bigint) as won_count,
    cast(coalesce(of_deals.won_filled_count, 0) as bigint) as won_filled_count,
    cast(coalesce(of_deals.won_filled_count, 0) / nullif(cast(totals.won_count as double), 0) as double) as won_fill_rate,
    cast(totals.lost_count as bigint) as lost_count,
    cast(coalesce(of_deals.lost_filled_count, 0) as bigint) as lost_filled_count,
    cast(coalesce(of_deals.lost_filled_count, 0) / nullif(cast(totals.lost_count as double), 0) as double) as lost_fill_rate
from kinds
inner join matched on kinds.source = matched.source
cross join totals
left join filled on kinds.source = filled.source and kinds.attribute = filled.attribute
left join compared on kinds.source = compared.source and kinds.attribute = compared.attribute
left join of_deals on kinds.source = of_deals.source and kinds.attribute = of_deals.attribute
