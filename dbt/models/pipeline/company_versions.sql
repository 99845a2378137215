-- grain: one row per golden company and interval [valid_from, valid_to) in which industry, size band and country stay the same
-- The first interval reaches back before the company was known: the earliest value known stands for the time before it. Industry and
-- employees have vendor history; country has none and is the present one throughout. Segment = size band x industry (kpis.md 0.7).
{%- set fields = ['industry', 'employees'] %}
{%- set beginning = timestamp_literal('1900-01-01T00:00:00+00:00') %}
with changes as (
    select
        source || ':company:' || company_id as company_key, field, value, known_from,
        case when row_number() over (partition by source, company_id, field order by changed_at nulls last) = 1 then {{ beginning }} else changed_at end as valid_from
    from {{ ref('int_crm__companies_history') }}
    where field in ('industry', 'employees') and position = 1
),

with_history as (
    select distinct company_key, field from changes
),

points as (
    select company_key, field, value, valid_from, known_from from changes
    {%- for field in fields %}
    union all
    select companies.company_key, '{{ field }}', coalesce(cast(companies.{{ field }} as string), ''), {{ beginning }}, companies.known_from
    from {{ ref('companies') }} as companies
    left join with_history on companies.company_key = with_history.company_key and with_history.field = '{{ field }}'
    where with_history.company_key is null
    {%- endfor %}
),

instants as (
    select
        company_key, valid_from, max(known_from) as known_from,
        {%- for field in fields %}
        max(case when field = '{{ field }}' then value end) as {{ field }}{{ ',' if not loop.last }}
        {%- endfor %}
    from points
    group by company_key, valid_from
),

filled as (
    select
        company_key, valid_from, known_from,
        {%- for field in fields %}
        nullif(max_by({{ field }}, valid_from) filter (where {{ field }} is not null) over (
            partition by company_key order by valid_from nulls last rows between unbounded preceding and current row
        ), '') as {{ field }}{{ ',' if not loop.last }}
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
