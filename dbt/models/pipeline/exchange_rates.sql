-- grain: one row per local date, from the calendar's first day to the as-of day, and currency other than the company's with a rate by then
-- The rate of a day is the newest one on or before it: the European Central Bank's, crossed through the euro on one and the same day, and for
-- days on which the bank names none the rates sheet's. Weekends and holidays carry the day before them. A currency that joined the euro goes
-- on at its fixed rate. Three kinds (kpis.md 0.4): rate_to_base for the stock of a day, booking_rate_to_base as it was known when the month of
-- the rate was locked (later corrections do not reach what was booked), plan_rate_to_base: one a fiscal year, the sheet's plan rate, else the
-- last one before the year began, else the first one in it.
with quoted as (
    select
        rates.rate_date, rates.currency, max_by(rates.rate_per_eur, rates.known_from) filter (where rates.is_newest and rates.rate_per_eur is not null) as rate,
        max(rates.known_from) as known_from,
        coalesce(
            max_by(rates.rate_per_eur, rates.known_from) filter (
                where rates.rate_per_eur is not null and (locks.lock_date is null or {{ local_date('rates.known_from') }} <= locks.lock_date)
            ),
            min_by(rates.rate_per_eur, rates.known_from) filter (where rates.rate_per_eur is not null)
        ) as booking_rate
    from {{ ref('stg_exchange_rates__reference_rates') }} as rates
    left join {{ ref('int_pipeline__period_locks') }} as locks on locks.period_grain = 'month' and locks.period_start = {{ month_start('rates.rate_date') }}
    group by rates.rate_date, rates.currency
    having count_if(rates.is_newest) > 0
),

bank_days as (
    select rate_date, min(known_from) as known_from from quoted group by rate_date
),

per_eur as (
    select rate_date, currency, rate, booking_rate, known_from from quoted
    union all
    select rate_date, 'EUR', cast(1 as decimal(18, 8)), cast(1 as decimal(18, 8)), known_from from bank_days
    union all
    select bank_days.rate_date, fixed.currency, fixed.rate_per_eur as rate, fixed.rate_per_eur as booking_rate, bank_days.known_from
    from bank_days
    inner join {{ ref('euro_fixed_rates') }} as fixed on bank_days.rate_date >= fixed.valid_from
    left join quoted as listed on bank_days.rate_date = listed.rate_date and fixed.currency = listed.currency
    where listed.currency is null
),

-- a version of the sheet is known from when it was landed
sheet as (
    select
        given.currency, given.rate_date, max_by(given.rate_to_base, given.known_from) filter (where given.is_newest and given.rate_to_base is not null) as rate,
        coalesce(
            max_by(given.rate_to_base, given.landed_at) filter (
                where given.rate_to_base is not null and (locks.lock_date is null or {{ local_date('given.landed_at') }} <= locks.lock_date)
            ),
            min_by(given.rate_to_base, given.landed_at) filter (where given.rate_to_base is not null)
        ) as booking_rate, max(given.known_from) as known_from
    from {{ ref('stg_spreadsheets__exchange_rates') }} as given
    left join {{ ref('int_pipeline__period_locks') }} as locks on locks.period_grain = 'month' and locks.period_start = {{ month_start('given.rate_date') }}
    where
        not given.is_deleted and given.kind = 'day' and given.rate_to_base is not null and given.rate_date <= {{ as_of_date() }}
        and given.currency <> '{{ var("company_currency") }}'
    group by given.currency, given.rate_date
),

{%- set cross = 'cast(round((cast(base.%s as double) / nullif(cast(other.%s as double), 0)) * 1e8) / 1e8 as decimal(18, 8))' %}
given as (
    select
        other.currency, other.rate_date, 'ecb' as rate_source, {{ cross | replace('%s', 'rate') }} as rate_to_base,
        {{ cross | replace('%s', 'booking_rate') }} as booking_rate_to_base, greatest(other.known_from, base.known_from) as known_from
    from per_eur as other
    inner join per_eur as base on other.rate_date = base.rate_date and base.currency = '{{ var("company_currency") }}'
    where other.currency <> '{{ var("company_currency") }}'
    union all
    select currency, rate_date, 'sheet', rate, booking_rate, known_from from sheet where rate is not null
),

-- one point per currency and calendar day: what is older than the calendar stands on its first day
points as (
    select * from (
        select
            *, greatest(rate_date, cast('{{ var("calendar_start") }}' as date)) as date,
            row_number() over (
                partition by currency, greatest(rate_date, cast('{{ var("calendar_start") }}' as date)) order by rate_date desc, rate_source nulls last
            ) as choice
        from given
    ) as placed
    where choice = 1
),

carried as (
    select
        days.currency, days.date, days.fiscal_year,
        max(points.date) over (partition by days.currency order by days.date nulls last rows between unbounded preceding and current row) as point_date
    from (
        select currencies.currency, calendar.date, calendar.fiscal_year
        from (select distinct currency from points) as currencies
        cross join {{ ref('calendar') }} as calendar
        where calendar.country = upper('{{ var("company_country") }}') and calendar.date <= {{ as_of_date() }}
    ) as days
    left join points on days.currency = points.currency and days.date = points.date
),

rated as (
    select
        carried.currency, carried.date, carried.fiscal_year, points.rate_to_base, points.booking_rate_to_base, points.rate_date, points.rate_source,
        points.known_from, lag(points.rate_to_base) over (partition by carried.currency order by carried.date nulls last) as rate_before,
        row_number() over (partition by carried.currency, carried.fiscal_year order by carried.date nulls last) as day_of_year
    from carried
    inner join points on carried.currency = points.currency and carried.point_date = points.date
),

planned as (
    select rated.currency, rated.fiscal_year, coalesce(max(sheet.rate_to_base), max(coalesce(rated.rate_before, rated.rate_to_base))) as plan_rate_to_base
    from rated
    left join (
        select plans.currency, calendar.fiscal_year, max_by(plans.rate_to_base, plans.known_from) filter (where plans.rate_to_base is not null) as rate_to_base
        from {{ ref('stg_spreadsheets__exchange_rates') }} as plans
        inner join {{ ref('calendar') }} as calendar on plans.rate_date = calendar.date and calendar.country = upper('{{ var("company_country") }}')
        where plans.is_newest and not plans.is_deleted and plans.kind = 'plan' and plans.rate_to_base is not null
        group by plans.currency, calendar.fiscal_year
    ) as sheet on rated.currency = sheet.currency and rated.fiscal_year = sheet.fiscal_year
    where rated.day_of_year = 1
    group by rated.currency, rated.fiscal_year
)

select
    cast(rated.date as date) as date,
    cast(rated.currency as string) as currency,
    cast(rated.rate_to_base as decimal(18, 8)) as rate_to_base,
    cast(rated.rate_date as date) as rate_date_used,
    cast({{ days_between('rated.rate_date', 'rated.date') }} as bigint) as age_days,
    cast({{ days_between('rated.rate_date', 'rated.date') }} > 5 as boolean) as is_stale,
    cast(rated.rate_source as string) as rate_source,
    cast(rated.booking_rate_to_base as decimal(18, 8)) as booking_rate_to_base,
    cast(planned.plan_rate_to_base as decimal(18, 8)) as plan_rate_to_base,
    rated.known_from
from rated
inner join planned on rated.currency = planned.currency and rated.fiscal_year = planned.fiscal_year
