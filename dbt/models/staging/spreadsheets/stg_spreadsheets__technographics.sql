-- grain: one row per company and technology that a sheet lists, newest version as of (E, K), with the first instant at which a version of it was observed
with lines as (
    {{ enrichment_lines(source('spreadsheets', 'technographics'), ['product', 'category', 'first_seen', 'last_seen']) }}
)

select
    {{ filled('p.fields.product') }} as product,
    {{ filled('p.fields.category') }} as category,
    try_cast(p.fields.first_seen as date) as first_seen_date,
    try_cast(p.fields.last_seen as date) as last_seen_date,
    first_observed_at,
    {{ enrichment_columns() }}
from (
    select *, min(observed_at) over (partition by record_id) as first_observed_at
    from lines
) as observed
where is_newest
