{{ config(materialized=intermediate()) }}
-- grain: one row per golden company of which its own records, a register or a sheet say something: its number, present technologies and newest observation
with own as (
    select records.company_key, min_by(numbers.legal_id, records.age_place) filter (where numbers.legal_id is not null) as legal_id
    from {{ ref('int_pipeline__company_records') }} as records
    inner join (
        select record_key, country_code || ' ' || legal_id as legal_id from {{ ref('int_matching__company_numbers') }}
    ) as numbers on records.record_key = numbers.record_key
    group by records.company_key
),

attributes as (
    select
        company_key, max(observed_at) as observed_at,
        min(case when attribute = 'legal_id' and valid_to is null then value end) as legal_id
    from {{ ref('company_attributes') }} group by company_key
),

technologies as (
    select company_key, {{ ordered_list('technology', 'technology') }} as technologies
    from (
        select company_key, min(technology) as technology
        from {{ ref('company_technologies') }} where valid_to is null group by company_key, lower(technology)
    ) as present
    group by company_key
),

observations as (
    select company_key, max(observed_at) as observed_at
    from (
        select company_key, observed_at from attributes
        union all
        select company_key, observed_at from {{ ref('company_technologies') }}
        union all
        select company_key, observed_at from {{ ref('company_signals') }}
    ) as every
    group by company_key
),

keys as (
    select company_key from own union select company_key from observations
)

select
    keys.company_key, coalesce(own.legal_id, attributes.legal_id) as legal_id, technologies.technologies, observations.observed_at as enriched_at
from keys
left join own on keys.company_key = own.company_key
left join attributes on keys.company_key = attributes.company_key
left join technologies on keys.company_key = technologies.company_key
left join observations on keys.company_key = observations.company_key
