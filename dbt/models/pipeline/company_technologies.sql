-- grain: one row per company and line of a sheet that says that it uses a technology: the interval [valid_from, valid_to) in which it does (M32)
-- It began when it was first seen, else on the day that the line says, else when it was observed. One that was last seen 90 days before the line's
-- observation, or longer ago, is gone since the day after; a line that a corrected file took back ends when that was saved.
with lines as (
    select
        {{ sheet_company_key() }} as record_key, lines.*, coalesce({{ local_midnight('first_seen_date') }}, valid_from) as began_at,
        case
            when is_deleted then version_at
            when {{ local_midnight('last_seen_date') }} <= observed_at - interval 90 day then {{ local_midnight('cast(last_seen_date + interval 1 day as date)') }}
        end as ended_at
    from {{ ref('stg_spreadsheets__technographics') }} as lines
)

select
    cast(companies.company_key || '>' || lines.record_id as string) as technology_key,
    cast(companies.company_key as string) as company_key,
    cast(lines.product as string) as technology,
    cast(lines.category as string) as category,
    cast(lines.supplier as string) as source,
    cast(lines.first_seen_date as date) as first_seen_date,
    cast(lines.last_seen_date as date) as last_seen_date,
    lines.began_at as valid_from,
    case when lines.ended_at <= {{ as_of() }} then lines.ended_at end as valid_to,
    lines.first_observed_at as observed_at,
    cast(lines.confidence as double) as confidence,
    cast(companies.matched_by as string) as matched_by,
    cast(lines.record_key as string) as record_key,
    lines.known_from
from lines
inner join {{ ref('int_pipeline__enriched_companies') }} as companies on lines.record_key = companies.record_key
where lines.product is not null and lines.began_at <= {{ as_of() }} and lines.first_observed_at <= {{ as_of() }}
    and (lines.ended_at is null or lines.ended_at > lines.began_at)
