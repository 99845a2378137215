-- grain: one row per company that a register or an enrichment sheet speaks of, as it is spelt there
-- is_numbered: a living company bears its organisation number, which settles whose it is; the matching engine is asked about the rest.
with spelt as (
    select
        'registries:company:' || country_code || legal_id as record_key, country_code, legal_id, name, domain, city, country_code as country,
        row_number() over (partition by country_code, legal_id order by version_at desc, landed_at desc) as choice
    from {{ ref('stg_registries__entries') }} where name is not null
    {%- for sheet in ['firmographics', 'technographics', 'company_signals'] %}
    union all
    select
        {{ sheet_company_key() }}, country_code, legal_id, company, domain, cast(null as string), country,
        row_number() over (partition by {{ sheet_company_key() }} order by version_at desc, landed_at desc, record_id desc)
    from {{ ref('stg_spreadsheets__' ~ sheet) }} where coalesce(legal_id, domain, company) is not null
    {%- endfor %}
),

records as (
    select *, row_number() over (partition by record_key order by company nulls last, domain nulls last, country nulls last) as place
    from (select record_key, country_code, legal_id, name as company, domain, city, country from spelt where choice = 1) as newest
)

select
    records.record_key, records.country_code, records.legal_id, records.company as name, records.domain, records.country, records.city,
    numbers.legal_id is not null as is_numbered
from records
left join (select distinct country_code, legal_id from {{ ref('int_matching__company_numbers') }}) as numbers
    on records.country_code = numbers.country_code and records.legal_id = numbers.legal_id
where records.place = 1
