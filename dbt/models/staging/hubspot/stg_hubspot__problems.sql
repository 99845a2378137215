-- grain: one row per HubSpot record, field and problem as of (E, K); the record is kept, typed to null where it has no value of its type
with deals as (select * from {{ ref('stg_hubspot__deals') }} where deletion is null),
stages as (select pipeline_id, stage_id, is_vanished from {{ ref('stg_hubspot__pipeline_stages') }}),
elsewhere as (select stage_id from stages group by stage_id having count(*) = 1),
owners as (select owner_id from {{ ref('stg_hubspot__owners') }}),

deal_problems as (
    select
        deal_id as record_id, known_from, 'amount' as field, amount_text as value,
        case when try_cast({{ filled('amount_text') }} as decimal(38, 2)) is null then 'amount is no number' else 'amount is 10 trillion or more' end as problem
    from deals where amount is null and {{ filled('amount_text') }} is not null
    union all
    select deal_id, known_from, 'amount', cast(amount as string), 'amount is negative' from deals where amount < 0
    union all
    select deal_id, known_from, 'amount', cast(amount as string), 'won deal with amount zero' from deals where amount = 0 and is_closed_won
    union all
    select deal_id, known_from, 'closedate', close_date_text, 'close date is no date'
    from deals where close_date is null and {{ filled('close_date_text') }} is not null
    union all
    select deal_id, known_from, 'closedate', close_date_text, 'close date is absurd' from deals where extract(year from close_date) not between 1990 and 2100
    union all
    select deals.deal_id, deals.known_from, 'dealstage', deals.stage_id, 'stage is in no pipeline'
    from deals
    left join stages on deals.pipeline_id = stages.pipeline_id and deals.stage_id = stages.stage_id
    left join elsewhere on deals.stage_id = elsewhere.stage_id
    where stages.stage_id is null and elsewhere.stage_id is null
    union all
    select deals.deal_id, deals.known_from, 'dealstage', deals.stage_id, 'stage is of another pipeline than the deal'
    from deals
    left join stages on deals.pipeline_id = stages.pipeline_id and deals.stage_id = stages.stage_id
    inner join elsewhere on deals.stage_id = elsewhere.stage_id
    where stages.stage_id is null
    union all
    select deals.deal_id, deals.known_from, 'dealstage', deals.stage_id, 'stage was taken out of its pipeline'
    from deals inner join stages on deals.pipeline_id = stages.pipeline_id and deals.stage_id = stages.stage_id where stages.is_vanished
),

company_problems as (
    select company_id as record_id, known_from, 'numberofemployees' as field, employees_text as value, 'number of employees is no whole number' as problem
    from {{ ref('stg_hubspot__companies') }} where deletion is null and employees is null and {{ filled('employees_text') }} is not null
    union all
    select company_id, known_from, 'numberofemployees', cast(employees as string), 'number of employees is negative'
    from {{ ref('stg_hubspot__companies') }} where deletion is null and employees < 0
),

contact_problems as (
    select contact_id as record_id, known_from, 'email' as field, email as value, 'e-mail address is none' as problem
    from {{ ref('stg_hubspot__contacts') }} where deletion is null and not {{ matches('email', '^[^@ ,;]+@[^@ ,;]+[.][^@ .,;]+$') }}
),

unknown_owners as (
    {%- for object, key in {'deals': 'deal_id', 'contacts': 'contact_id', 'companies': 'company_id', 'leads': 'lead_id'}.items() %}
    select '{{ object }}' as object, records.{{ key }} as record_id, records.known_from, 'hubspot_owner_id' as field, records.owner_id as value
    from {{ ref('stg_hubspot__' ~ object) }} as records left join owners on records.owner_id = owners.owner_id
    where records.deletion is null and records.owner_id is not null and owners.owner_id is null
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- what must be a number and is none: typed to null, never read as zero
no_numbers as (
    {%- for object, key, field, typed, text in [
        ('companies', 'company_id', 'annualrevenue', 'revenue', 'revenue_text'), ('deals', 'deal_id', 'hs_acv', 'acv', 'acv_text'),
        ('deals', 'deal_id', 'hs_tcv', 'tcv', 'tcv_text'), ('line_items', 'line_item_id', 'quantity', 'quantity', 'quantity_text'),
        ('line_items', 'line_item_id', 'price', 'price', 'price_text'), ('line_items', 'line_item_id', 'amount', 'amount', 'amount_text'),
        ('line_items', 'line_item_id', 'hs_term_in_months', 'term_months', 'term_text'), ('line_items', 'line_item_id', 'hs_tcv', 'tcv', 'tcv_text'),
        ('line_items', 'line_item_id', 'discount', 'unit_discount', 'discount_text'), ('line_items', 'line_item_id', 'hs_cost_of_goods_sold', 'unit_cost', 'unit_cost_text'),
        ('line_items', 'line_item_id', 'hs_discount_percentage', 'discount_percent', 'discount_percent_text'),
        ('calls', 'call_id', 'hs_call_duration', 'duration_ms', 'duration_text')
    ] %}
    select '{{ object }}' as object, {{ key }} as record_id, known_from, '{{ field }}' as field, {{ text }} as value
    from {{ ref('stg_hubspot__' ~ object) }} where deletion is null and {{ typed }} is null and {{ filled(text) }} is not null
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

line_problems as (
    select
        line_item_id as record_id, known_from, 'hs_discount_percentage' as field, cast(discount_percent as string) as value,
        'discount is not between 0 and 100 %: the deal has no discount band' as problem
    from {{ ref('stg_hubspot__line_items') }} where deletion is null and discount_percent not between 0 and 100
    union all
    select line_item_id, known_from, 'discount', cast(unit_discount as string), 'unit discount is not between 0 and the price: the deal has no discount band'
    from {{ ref('stg_hubspot__line_items') }} where deletion is null and unit_discount not between 0 and price
),

undated as (
    {%- for object, key in {'calls': 'call_id', 'emails': 'email_id', 'meetings': 'meeting_id', 'notes': 'note_id', 'tasks': 'task_id'}.items() %}
    select '{{ object }}' as object, {{ key }} as record_id, known_from
    from {{ ref('stg_hubspot__' ~ object) }} where deletion is null and occurred_at is null
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

all_problems as (
    select 'deals' as object, record_id, field, value, problem, known_from from deal_problems
    union all
    select 'companies', record_id, field, value, problem, known_from from company_problems
    union all
    select 'contacts', record_id, field, value, problem, known_from from contact_problems
    union all
    select 'line_items', record_id, field, value, problem, known_from from line_problems
    union all
    select object, record_id, field, value, 'owner is in no owner list', known_from from unknown_owners
    union all
    select object, record_id, field, value, 'value is no number', known_from from no_numbers
    union all
    select object, record_id, 'hs_timestamp', cast(null as string), 'activity without an instant', known_from from undated
)

select
    cast('hubspot' as string) as source, cast(object as string) as object, cast(record_id as string) as record_id, cast(field as string) as field,
    cast(value as string) as value, cast(problem as string) as problem, known_from as first_seen_at
from all_problems
