{{ config(meta={'dagster': {'ref': {'name': 'deal_versions'}}}) }}
-- I06: over the last 60 days each deal-day has exactly one row, and the days are those of the intervals, touched or not; the newest day is
-- the open pipeline of E
with days as (
    select date, deal_key, count(*) as row_count
    from {{ ref('pipeline_daily') }}
    where date > cast({{ as_of_date() }} - interval 60 day as date)
    group by date, deal_key
),

alive as (
    select sum({{ days_between(
        'greatest(versions.first_date, cast(' ~ as_of_date() ~ ' - interval 59 day as date))',
        'coalesce(versions.end_date, cast(' ~ as_of_date() ~ ' + interval 1 day as date))'
    ) }}) as day_count
    from {{ ref('deal_versions') }} as versions
    inner join {{ ref('deals') }} as deals on versions.deal_key = deals.deal_key
    where versions.life_state = 'open' and not deals.is_excluded
        and (versions.end_date is null or versions.end_date > greatest(versions.first_date, cast({{ as_of_date() }} - interval 59 day as date)))
)

select 'repeated' as what, count(*) as found, 0 as expected from days where row_count > 1 having count(*) > 0
union all
select 'days alive', found.row_count, alive.day_count
from (select coalesce(sum(row_count), 0) as row_count from days) as found
cross join alive where found.row_count <> coalesce(alive.day_count, 0)
union all
select 'open today', found.row_count, living.deal_count
from (select count(*) as row_count from days where date = {{ as_of_date() }}) as found
cross join (select count(*) as deal_count from {{ ref('deals') }} where life_state = 'open' and not is_excluded) as living
where found.row_count <> living.deal_count
