{{ config(materialized=intermediate()) }}
-- grain: one row per company of a register or an enrichment sheet (record_key) and golden company that it is
-- By organisation number first: every company that bears it. Else by the matching engine, where all that it finds is one company, and that one bears no
-- other number of the same country.
with keys as (
    select source || ':company:' || company_id as member_key, company_key from {{ ref('company_identities') }}
),

numbers as (
    select distinct keys.company_key, numbers.country_code, numbers.legal_id
    from {{ ref('int_matching__company_numbers') }} as numbers
    inner join keys on numbers.record_key = keys.member_key
),

found as (
    select
        matches.record_key, min(keys.company_key) as company_key, max(matches.score) as score,
        max_by(matches.explanation, matches.score) filter (where matches.explanation is not null) as explanation
    from {{ enriched_matches() }} as matches
    inner join keys on matches.other_key = keys.member_key
    group by matches.record_key
    having count(distinct keys.company_key) = 1
)

select records.record_key, numbers.company_key, records.country_code, records.legal_id, 'organisation number' as matched_by, cast(null as string) as explanation
from {{ ref('int_matching__enriched_records') }} as records
inner join numbers on records.country_code = numbers.country_code and records.legal_id = numbers.legal_id
union all
select records.record_key, found.company_key, records.country_code, records.legal_id, 'entity resolution', found.explanation
from {{ ref('int_matching__enriched_records') }} as records
inner join found on records.record_key = found.record_key
left join numbers on found.company_key = numbers.company_key and records.country_code = numbers.country_code and records.legal_id <> numbers.legal_id
where not records.is_numbered and numbers.company_key is null
