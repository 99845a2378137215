-- grain: one row per source, record, currency and problem: rates of either source that are not used, or that moved more than anybody expects
-- A jump is over 10 % from the rate before within a week, and is listed for 90 days: old crises are no news.
with sheet as (select * from {{ ref('stg_spreadsheets__exchange_rates') }} where is_newest and not is_deleted),

published as ({{ published_reference_rates(source('exchange_rates', 'reference_rates')) }}),

listed as ({{ listed_reference_rates('published') }}),

newest as (
    select rate_date, landed_at, upper({{ filled('p.currency') }}) as currency, {{ filled('p.rate') }} as rate_text, {{ usable_rate(filled('p.rate')) }} as rate_per_eur
    from listed where is_newest
),

moves as (
    select
        rate_date, landed_at, currency, rate_text, rate_per_eur,
        lag(rate_per_eur) over (partition by currency order by rate_date nulls last) as rate_before,
        lag(rate_date) over (partition by currency order by rate_date nulls last) as day_before
    from newest where rate_per_eur is not null
),

sheet_problems as (
    select record_id, 'rate' as field, rate_text as value, 'rate is no positive number: not used' as problem, known_from from sheet where coalesce(rate_to_base, 0) <= 0
    union all
    select record_id, 'rate_date', cast(rate_date as string), 'day of the rate is absurd', known_from
    from sheet where extract(year from rate_date) not between 1990 and 2100
    union all
    select record_id, 'currency', currency, 'currency is no code of three letters: not used', known_from from sheet where not {{ matches('currency', '^[A-Z]{3}$') }}
),

reference_problems as (
    select rate_date, currency, rate_text, 'rate is no positive number: not used' as problem, landed_at from newest where rate_per_eur is null
    union all
    select rate_date, currency, rate_text, 'currency is no code of three letters: not used', landed_at
    from newest where rate_per_eur is not null and (currency is null or not {{ matches('currency', '^[A-Z]{3}$') }})
    union all
    select rate_date, currency, rate_text, 'rate moved more than 10 % within a week: used, look at it', landed_at
    from moves
    where rate_date > {{ as_of_date() }} - interval 90 day and {{ days_between('day_before', 'rate_date') }} <= 7
        and (rate_per_eur > rate_before * cast(1.1 as decimal(2, 1)) or rate_per_eur < rate_before * cast(0.9 as decimal(2, 1)))
),

all_problems as (
    select
        'exchange_rates' as source, 'reference_rates' as object, cast(rate_date as string) as record_id, coalesce(currency, 'currency') as field,
        rate_text as value, problem, landed_at as known_from
    from reference_problems
    union all
    select 'spreadsheets', 'exchange_rates', record_id, field, value, problem, known_from from sheet_problems
)

select
    cast(source as string) as source, cast(object as string) as object, cast(record_id as string) as record_id, cast(field as string) as field,
    cast(value as string) as value, cast(problem as string) as problem, known_from as first_seen_at
from all_problems
