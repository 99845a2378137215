-- grain: one row per living line of an enrichment sheet and problem; the record is named by file, sheet and row. A line that names no company is of nobody,
-- the others are in the marts without what is wrong.
{%- set sheets = ['firmographics', 'technographics', 'company_signals'] %}
with lines as (
    {%- for sheet in sheets %}
    select
        '{{ sheet }}' as object, concat_ws(' ', file_name, sheet_name, 'row ' || cast(row_number as string)) as record_id, legal_id, legal_id_text, company, domain,
        country_code, confidence, confidence_text, try_cast(observed_text as date) as observed_date, version_at, known_from
    from {{ ref('stg_spreadsheets__' ~ sheet) }} where is_newest and not is_deleted and not is_reconstructed
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

problems as (
    select
        object, record_id, known_from, 'legal_id' as field, legal_id_text as value,
        'no company is named, and the line is of nobody: fill in the organisation number with its country, the domain or the name' as problem
    from lines where coalesce(legal_id, domain, company) is null
    union all
    select
        object, record_id, known_from, 'legal_id', legal_id_text,
        'is no organisation number of ' || country_code || ': the company is looked for by domain and name; correct it in the file'
    from lines where legal_id is null and {{ filled('legal_id_text') }} is not null and country_code is not null and coalesce(domain, company) is not null
    union all
    select
        object, record_id, known_from, 'confidence', confidence_text,
        'confidence is not between 0 and 1, and the line has none: write it so, or give its column multiplier = 0.01 in the mapping if it is in percent'
    from lines where confidence is null and {{ filled('confidence_text') }} is not null
    union all
    select
        object, record_id, known_from, 'observed_at', cast(observed_date as string),
        'observed on a day after the file was saved, and taken as observed then: correct the day in the file'
    from lines where observed_date > {{ local_date('version_at') }}
)

select
    cast('spreadsheets' as string) as source, cast(object as string) as object, cast(record_id as string) as record_id,
    cast(field as string) as field, cast(value as string) as value, cast(problem as string) as problem,
    known_from as first_seen_at
from problems
