-- grain: one row per Pipedrive record, field and problem as of (E, K); the record is kept, typed to null where it has no value of its type
with deals as (select * from {{ ref('stg_pipedrive__deals') }} where deletion is null),
stages as (select pipeline_id, stage_id, is_vanished from {{ ref('stg_pipedrive__pipeline_stages') }}),
owners as (select owner_id from {{ ref('stg_pipedrive__owners') }}),

all_problems as (
    select 'deals' as object, deal_id as record_id, 'value' as field, amount_text as value, 'amount is 10 trillion or more' as problem, known_from
    from deals where {{ money('amount_text') }} is null and amount_text is not null
    union all
    select 'deals', deal_id, 'value', cast(amount as string), 'amount is negative', known_from from deals where amount < 0
    union all
    select 'deals', deal_id, 'expected_close_date', cast(close_date as string), 'close date is absurd', known_from from deals
    where extract(year from close_date) not between 1990 and 2100
    union all
    select 'deals', deals.deal_id, 'stage_id', deals.stage_id, 'stage is in no pipeline', deals.known_from
    from deals left join stages on deals.pipeline_id = stages.pipeline_id and deals.stage_id = stages.stage_id where stages.stage_id is null
    union all
    select 'deals', deals.deal_id, 'stage_id', deals.stage_id, 'stage was taken out of its pipeline', deals.known_from
    from deals inner join stages on deals.pipeline_id = stages.pipeline_id and deals.stage_id = stages.stage_id where stages.is_vanished
    union all
    select 'companies', company_id, 'employees', employees_text, 'number of employees is no whole number', known_from
    from {{ ref('stg_pipedrive__companies') }} where deletion is null and employees is null and employees_text is not null
    union all
    select 'companies', company_id, 'employees', cast(employees as string), 'number of employees is negative', known_from
    from {{ ref('stg_pipedrive__companies') }} where deletion is null and employees < 0
    union all
    select 'companies', company_id, 'revenue', revenue_text, 'value is no number', known_from
    from {{ ref('stg_pipedrive__companies') }} where deletion is null and revenue is null and revenue_text is not null
    union all
    select 'contacts', contact_id, 'email', email, 'e-mail address is none', known_from
    from {{ ref('stg_pipedrive__contacts') }} where deletion is null and not {{ matches('email', '^[^@ ,;]+@[^@ ,;]+[.][^@ .,;]+$') }}
    union all
    select 'line_items', line_item_id, 'discount', cast(discount_percent as string), 'discount is not between 0 and 100 %: the deal has no discount band', known_from
    from {{ ref('stg_pipedrive__line_items') }} where deletion is null and discount_percent not between 0 and 100
    union all
    select 'line_items', line_item_id, 'discount', cast(unit_discount as string), 'unit discount is not between 0 and the price: the deal has no discount band', known_from
    from {{ ref('stg_pipedrive__line_items') }} where deletion is null and unit_discount not between 0 and price
    union all
    select activity_type || 's', activity_id, 'due_date', cast(null as string), 'activity without an instant', known_from
    from {{ ref('stg_pipedrive__activities') }} where deletion is null and occurred_at is null
    {%- for object, key in {'deals': 'deal_id', 'contacts': 'contact_id', 'companies': 'company_id'}.items() %}
    union all
    select '{{ object }}', records.{{ key }}, 'owner_id', records.owner_id, 'owner is in no owner list', records.known_from
    from {{ ref('stg_pipedrive__' ~ object) }} as records left join owners on records.owner_id = owners.owner_id
    where records.deletion is null and records.owner_id is not null and owners.owner_id is null
    {%- endfor %}
)

select
    cast('pipedrive' as string) as source, cast(object as string) as object, cast(record_id as string) as record_id, cast(field as string) as field,
    cast(value as string) as value, cast(problem as string) as problem, known_from as first_seen_at
from all_problems
