-- grain: one row per golden company and interval [valid_from, valid_to) in which industry, size band and country stay the same
-- The first interval reaches back before the company was known: the earliest value known stands for the time before it. Industry and
-- employees have vendor history; country has none and is the present one throughout. Segment = size band x industry (kpis.md 0.7).
{%- set history = {'industry': 'industry', 'numberofemployees': 'employees'} %}
{%- set beginning = timestamp_literal('1900-01-01T00:00:00+00:00') %}
with changes as (
    select
        'hubspot:company:' || company_id as company_key, property, value, known_from,
        case when row_number() over (partition by company_id, property order by changed_at nulls last) = 1 then {{ beginning }} else changed_at end as valid_from
    from {{ ref('stg_hubspot__companies_history') }}
    where property in ('industry', 'numberofemployees') and position = 1
),

with_history as (
    select distinct company_key, property from changes
),

points as (
    select company_key, property, value, valid_from, known_from from changes
    {%- for property, column in history.items() %}
    union all
    select companies.company_key, '{{ property }}', coalesce(cast(companies.{{ column }} as string), ''), {{ beginning }}, companies.known_from
    from {{ ref('companies') }} as companies
    left join with_history on companies.company_key = with_history.company_key and with_history.property = '{{ property }}'
    where with_history.company_key is null
    {%- endfor %}
),

instants as (
    select
        company_key, valid_from, max(known_from) as known_from,
        {%- for property, column in history.items() %}
        max(case when property = '{{ property }}' then value end) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from points
    group by company_key, valid_from
),

filled as (
    select
        company_key, valid_from, known_from,
        {%- for column in history.values() %}
        nullif(max_by({{ column }}, valid_from) filter (where {{ column }} is not null) over (
            partition by company_key order by valid_from nulls last rows between unbounded preceding and current row
        ), '') as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from instants
),

banded as (
    select
        filled.company_key, filled.valid_from, filled.known_from, filled.industry, companies.country,
        {{ employees_band('try_cast(filled.employees as bigint)') }} as employees_band
    from filled
    inner join {{ ref('companies') }} as companies on filled.company_key = companies.company_key
),

changed as (
    select
        *, row_number() over (partition by company_key order by valid_from nulls last) = 1
        or concat_ws('|', coalesce(industry, ''), coalesce(employees_band, '')) <> lag(concat_ws('|', coalesce(industry, ''), coalesce(employees_band, '')))
            over (partition by company_key order by valid_from nulls last) as is_new
    from banded
)

select
    cast(company_key as string) as company_key,
    valid_from,
    lead(valid_from) over (partition by company_key order by valid_from nulls last) as valid_to,
    known_from,
    cast(industry as string) as industry,
    cast(employees_band as string) as employees_band,
    cast(country as string) as country,
    cast({{ segment_of('employees_band', 'industry') }} as string) as segment
from changed
where is_new
