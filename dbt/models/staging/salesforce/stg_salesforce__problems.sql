-- grain: one row per Salesforce record, field and problem as of (E, K); the record is kept, typed to null where it has no value of its type
with deals as (select * from {{ ref('stg_salesforce__deals') }} where deletion is null),
stages as (select distinct stage_id from {{ ref('stg_salesforce__pipeline_stages') }}),
owners as (select owner_id from {{ ref('stg_salesforce__owners') }}),

all_problems as (
    select
        'deals' as object, deal_id as record_id, 'Amount' as field, amount_text as value,
        case when try_cast({{ filled('amount_text') }} as double) is null then 'amount is no number' else 'amount is 10 trillion or more' end as problem, known_from
    from deals where amount is null and {{ filled('amount_text') }} is not null
    union all
    select 'deals', deal_id, 'Amount', cast(amount as string), 'amount is negative', known_from from deals where amount < 0
    union all
    select 'deals', deal_id, 'Amount', cast(amount as string), 'won deal with amount zero', known_from from deals where amount = 0 and is_closed_won
    union all
    select 'deals', deal_id, 'CloseDate', cast(close_date as string), 'close date is absurd', known_from from deals
    where extract(year from close_date) not between 1990 and 2100
    union all
    select 'deals', deals.deal_id, 'StageName', deals.stage_id, 'stage is in no pipeline', deals.known_from
    from deals left join stages on deals.stage_id = stages.stage_id where stages.stage_id is null
    union all
    select 'companies', company_id, 'NumberOfEmployees', employees_text, 'number of employees is no whole number', known_from
    from {{ ref('stg_salesforce__companies') }} where deletion is null and employees is null and {{ filled('employees_text') }} is not null
    union all
    select 'companies', company_id, 'NumberOfEmployees', cast(employees as string), 'number of employees is negative', known_from
    from {{ ref('stg_salesforce__companies') }} where deletion is null and employees < 0
    union all
    select 'companies', company_id, 'AnnualRevenue', revenue_text, 'value is no number', known_from
    from {{ ref('stg_salesforce__companies') }} where deletion is null and revenue is null and {{ filled('revenue_text') }} is not null
    union all
    select 'contacts', contact_id, 'Email', email, 'e-mail address is none', known_from
    from {{ ref('stg_salesforce__contacts') }} where deletion is null and not {{ matches('email', '^[^@ ,;]+@[^@ ,;]+[.][^@ .,;]+$') }}
    union all
    select 'line_items', line_item_id, 'Discount', cast(discount_percent as string), 'discount is not between 0 and 100 %: the deal has no discount band', known_from
    from {{ ref('stg_salesforce__line_items') }} where deletion is null and discount_percent not between 0 and 100
    union all
    select activity_type || 's', activity_id, 'ActivityDate', cast(null as string), 'activity without an instant', known_from
    from {{ ref('stg_salesforce__activities') }} where deletion is null and occurred_at is null
    {%- for object, key in {'deals': 'deal_id', 'contacts': 'contact_id', 'companies': 'company_id', 'leads': 'lead_id'}.items() %}
    union all
    select '{{ object }}', records.{{ key }}, 'OwnerId', records.owner_id, 'owner is in no owner list', records.known_from
    from {{ ref('stg_salesforce__' ~ object) }} as records left join owners on records.owner_id = owners.owner_id
    where records.deletion is null and records.owner_id is not null and owners.owner_id is null
    {%- endfor %}
)

select
    cast('salesforce' as string) as source, cast(object as string) as object, cast(record_id as string) as record_id, cast(field as string) as field,
    cast(value as string) as value, cast(problem as string) as problem, known_from as first_seen_at
from all_problems
