-- grain: one row per living spreadsheet row and problem; nothing here is dropped anywhere else because of it
-- a misspelling that a mapping corrected is listed with the spelling found; one that no mapping knows is listed when a
-- price list, a company list or a far more frequent spelling contradicts it
with deals as (select * from {{ ref('stg_spreadsheets__deals') }} where not is_deleted),
companies as (select * from {{ ref('stg_spreadsheets__companies') }} where not is_deleted),
products as (select * from {{ ref('stg_spreadsheets__products') }} where not is_deleted),
owners as (select * from {{ ref('stg_spreadsheets__owners') }} where not is_deleted),
contracts as (select * from {{ ref('stg_spreadsheets__contracts') }} where not is_deleted),
company_names as (select distinct lower(name) as name from companies where name is not null),
product_names as (select distinct lower(name) as name from products where name is not null),
owner_names as (select distinct lower(name) as name from owners where name is not null),
deal_owners as (select distinct lower(owner) as name from deals where owner is not null),
sectors as (select industry, count(*) as row_count from companies where industry is not null group by industry),

sector_typos as (
    select distinct rare.industry
    from sectors as rare
    inner join sectors as usual on usual.row_count >= 5 * rare.row_count
        and levenshtein(lower(rare.industry), lower(usual.industry)) between 1 and 2
    where length(rare.industry) >= 5
),

deal_problems as (
    select record_id, known_from, 'company' as field, cast(null as string) as value, 'company is missing' as problem
    from deals where company is null
    union all
    select deals.record_id, deals.known_from, 'company', deals.company, 'company is not in the company list'
    from deals left join company_names on lower(deals.company) = company_names.name
    where deals.company is not null and company_names.name is null and exists (select 1 from company_names as listed)
    union all
    select deals.record_id, deals.known_from, 'product', deals.product, 'product is not in the price list'
    from deals left join product_names on lower(deals.product) = product_names.name
    where deals.product is not null and product_names.name is null and exists (select 1 from product_names as listed)
    union all
    select deals.record_id, deals.known_from, 'owner', deals.owner, 'seller is not in the seller list'
    from deals left join owner_names on lower(deals.owner) = owner_names.name
    where deals.owner is not null and owner_names.name is null and exists (select 1 from owner_names as listed)
    union all
    select record_id, known_from, 'owner', cast(null as string), 'seller is missing' from deals where owner is null
    union all
    select record_id, known_from, 'created_date', cast(null as string), 'open deal without an opening date'
    from deals where created_date is null and life_state = 'open'
    union all
    select record_id, known_from, 'created_date', cast(null as string), 'closed deal without an opening date'
    from deals where created_date is null and life_state <> 'open'
    union all
    select record_id, known_from, 'close_date', cast(null as string), life_state || ' deal without a close date'
    from deals where close_date is null and closed_date is null
    union all
    select record_id, known_from, 'close_date', cast(close_date as string), 'closed before it was opened'
    from deals where close_date < created_date
    union all
    select record_id, known_from, 'close_date', cast(close_date as string), 'close date is absurd'
    from deals where extract(year from close_date) not between 1990 and 2100
    union all
    select record_id, known_from, 'amount', cast(null as string), life_state || ' deal without a value' from deals where amount is null
    union all
    select record_id, known_from, 'sao_date', cast(sao_date as string), 'accepted on a day that has not come' from deals where sao_date > {{ as_of_date() }}
    union all
    select record_id, known_from, 'closed_date', cast(closed_date as string), 'closed before it was opened' from deals where closed_date < created_date
    union all
    select record_id, known_from, 'closed_date', cast(closed_date as string), 'closing date is absurd'
    from deals where extract(year from closed_date) not between 1990 and 2100
    union all
    select record_id, known_from, 'amount', cast(amount as string), 'value is negative'
    from deals where amount < 0 and order_type <> 'contraction'
    union all
    select record_id, known_from, 'list_value', cast(list_value as string), 'list price is below the value: the deal has no discount band'
    from deals where list_value < amount
    union all
    select record_id, known_from, 'cost', cast(cost as string), 'cost is negative: the deal has no margin' from deals where cost < 0
    union all
    select record_id, known_from, 'amount', cast(amount as string), 'won deal with value zero'
    from deals where amount = 0 and life_state = 'won'
),

corrected as (
    select 'deals' as object, record_id, known_from, 'product' as field, {{ json_text('corrected_text', 'product') }} as value from deals
    union all
    select 'companies', record_id, known_from, 'industry', {{ json_text('corrected_text', 'industry') }} from companies
    union all
    select 'companies', record_id, known_from, 'country', {{ json_text('corrected_text', 'country') }} from companies
),

company_problems as (
    select companies.record_id, companies.known_from, 'industry' as field, companies.industry as value, 'sector is probably a typing error' as problem
    from companies inner join sector_typos on companies.industry = sector_typos.industry
    union all
    select record_id, known_from, 'parent', parent, 'parent is named by its first letter only'
    from companies where length(parent) = 1
    union all
    select companies.record_id, companies.known_from, 'parent', companies.parent, 'parent is not in the company list'
    from companies left join company_names on lower(companies.parent) = company_names.name
    where length(companies.parent) > 1 and company_names.name is null
    union all
    select record_id, known_from, 'revenue', cast(revenue as string), 'revenue is negative' from companies where revenue < 0
    union all
    select record_id, known_from, 'employees', cast(employees as string), 'number of employees is negative' from companies where employees < 0
),

contract_problems as (
    select record_id, known_from, 'end_date' as field, cast(end_date as string) as value, 'contract ends before it starts: the customer is out of retention' as problem
    from contracts where end_date < start_date
    union all
    select record_id, known_from, 'arr', cast(null as string), 'contract without a yearly value: the customer is out of retention' from contracts where arr is null
    union all
    select record_id, known_from, 'arr', cast(arr as string), 'yearly value is negative: the customer is out of retention' from contracts where arr < 0
),

all_problems as (
    select 'deals' as object, record_id, field, value, problem, known_from from deal_problems
    union all
    select 'companies', record_id, field, value, problem, known_from from company_problems
    union all
    select 'contracts', record_id, field, value, problem, known_from from contract_problems
    union all
    select object, record_id, field, value, field || ' was spelt in another way: corrected by the mapping', known_from
    from corrected where value is not null
    union all
    select 'owners', owners.record_id, 'name', owners.name, 'seller without a deal', owners.known_from
    from owners left join deal_owners on lower(owners.name) = deal_owners.name
    where deal_owners.name is null and exists (select 1 from deal_owners as listed)
    union all
    select 'products', record_id, 'price', cast(price as string), 'price is negative', known_from from products where price < 0
)

select
    cast('spreadsheets' as string) as source, cast(object as string) as object, cast(record_id as string) as record_id,
    cast(field as string) as field, cast(value as string) as value, cast(problem as string) as problem,
    known_from as first_seen_at
from all_problems
