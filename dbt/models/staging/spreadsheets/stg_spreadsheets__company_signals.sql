-- grain: one row per company and event that a sheet lists, newest version as of (E, K), with the first instant at which a version of it was observed
with lines as (
    {{ enrichment_lines(source('spreadsheets', 'company_signals'), ['signal', 'detail', 'expires_at']) }}
)

select
    {{ filled('p.fields.signal') }} as signal,
    {{ filled('p.fields.detail') }} as detail,
    try_cast(p.fields.expires_at as date) as expires_date,
    first_observed_at,
    {{ enrichment_columns() }}
from (
    select *, min(observed_at) over (partition by record_id) as first_observed_at
    from lines
) as observed
where is_newest
