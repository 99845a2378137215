-- grain: one row per local date and country: the company's, and every country of country_zones in which a seller works
-- Working days are Monday to Friday, less public holidays (for SE the de-facto eves too) and the company's own closed days.
-- The company's country keeps the company's zone. A fiscal year bears the year in which it ends.
{%- set opens = var('business_hours')['start'] %}
{%- set closes = var('business_hours')['end'] %}
{%- set shift = fiscal_shift() %}

with countries as (
    select upper('{{ var("company_country") }}') as country, '{{ var("company_timezone") }}' as zone
    union all
    select zones.country, zones.zone
    from {{ ref('country_zones') }} as zones
    where zones.country <> upper('{{ var("company_country") }}')
        and zones.country in (select upper(owners.country) from {{ ref('owners') }} as owners where owners.country is not null)
),

days as (
    select countries.country, countries.zone, spine.date, {{ fiscal_quarter_start('spine.date') }} as fiscal_quarter_start
    from countries
    cross join {{ date_spine("'" ~ var('calendar_start') ~ "'", "'" ~ var('calendar_end') ~ "'") }} as spine
),

days_off as (
    select
        country, date, min_by(holiday, precedence) filter (where holiday is not null) as holiday,
        min_by(holiday_source, precedence) filter (where holiday_source is not null) as holiday_source
    from (
        select country, date, holiday, holiday_source, '1' || holiday as precedence from {{ ref('public_holidays') }}
        union all
        select coalesce(closed.country, countries.country), closed.date, coalesce(closed.holiday, 'closed'), 'company', '2' || coalesce(closed.holiday, '')
        from {{ ref('company_closed_days') }} as closed
        inner join countries on closed.country is null or upper(closed.country) = countries.country
    ) as listed
    group by country, date
),

judged as (
    select
        days.*, days_off.holiday, days_off.holiday_source,
        {{ iso_weekday('days.date') }} <= 5 and days_off.date is null as is_working_day,
        cast(days.fiscal_quarter_start - interval {{ shift }} month as date) as shifted_quarter
    from days
    left join days_off on days.country = days_off.country and days.date = days_off.date
),

opened as (
    select
        *,
        case when is_working_day then {{ local_instant('date', opens, 'zone') }} end as opens_at,
        case when is_working_day then {{ local_instant('date', closes, 'zone') }} end as closes_at
    from judged
),

counted as (
    select
        *,
        sum(case when is_working_day then 1 else 0 end) over (
            partition by country order by date nulls last rows between unbounded preceding and current row
        ) as working_day_number,
        sum(case when is_working_day then {{ elapsed_minutes('opens_at', 'closes_at') }} else cast(0 as double) end) over (
            partition by country order by date nulls last rows between unbounded preceding and 1 preceding
        ) as business_minutes_before
    from opened
)

select
    cast(date as date) as date,
    cast(country as string) as country,
    cast(zone as string) as zone,
    cast({{ iso_year('date') }} as bigint) as iso_year,
    cast(extract(week from date) as bigint) as iso_week,
    {{ week_start('date') }} as week_start,
    {{ month_start('date') }} as month_start,
    cast(extract(year from shifted_quarter) + {{ 1 if shift else 0 }} as bigint) as fiscal_year,
    cast(
        'FY' || cast(extract(year from shifted_quarter) + {{ 1 if shift else 0 }} as string) || '-Q' || cast(extract(quarter from shifted_quarter) as string)
        as string
    ) as fiscal_quarter,
    cast(fiscal_quarter_start as date) as fiscal_quarter_start,
    cast(is_working_day as boolean) as is_working_day,
    cast(holiday as string) as holiday,
    cast(holiday_source as string) as holiday_source,
    cast(working_day_number as bigint) as working_day_number,
    opens_at,
    closes_at,
    cast(coalesce(business_minutes_before, 0) as double) as business_minutes_before
from counted
