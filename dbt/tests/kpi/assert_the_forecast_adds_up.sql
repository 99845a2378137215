{{ config(meta={'dagster': {'ref': {'name': 'forecast'}}}) }}
-- I20: won + open deals + not yet created = expected, where a method knows parts, and teams sum to the company; a cent for each rounded part
with sums as (
    select as_of_date, method, dimension, sum(expected) as expected, count(*) as member_count
    from {{ ref('forecast') }}
    group by as_of_date, method, dimension
)

select company.as_of_date, company.method, company.expected
from sums as company
inner join sums as teams on company.as_of_date = teams.as_of_date and company.method = teams.method and teams.dimension = 'team'
where company.dimension = 'company' and abs(company.expected - teams.expected) > 0.01 * teams.member_count
union all
select as_of_date, method, expected
from {{ ref('forecast') }}
where abs(won_value + open_value + new_value - expected) > 0.03
