-- grain: one row per given rate (day, currency and kind) and version as of (E, K): what was booked keeps the rate that was known when its month was
-- locked; the newest of each is_newest. Rows gone from a corrected file are kept, with is_deleted.
-- rate_to_base: units of the company's currency for one unit of the currency. A rate that is not positive is NULL, and listed as a problem.
-- kind `plan` is for the fiscal year that rate_date lies in
{%- set fields = [
    'rate_date', 'currency', 'kind', 'rate', 'units'
] %}

with versions as (
    {{ sheet_row_versions(source('spreadsheets', 'exchange_rates'), fields, begins=['rate_date']) }}
),

typed as (
    select
        record_id, try_cast(p.fields.rate_date as date) as rate_date, upper({{ filled('p.fields.currency') }}) as currency,
        coalesce({{ filled('p.fields.kind') }}, 'day') as kind, try_cast({{ filled('p.fields.rate') }} as decimal(18, 8)) as rate,
        coalesce(try_cast({{ filled('p.fields.units') }} as decimal(18, 8)), 1) as units,
        {{ filled('p.fields.rate') }} as rate_text, {{ filled('p.fields.units') }} as units_text,
        p.corrected as corrected_text, p.file as file_name, p.sheet as sheet_name, try_cast(p.row as bigint) as row_number,
        is_deleted, is_reconstructed, is_newest, version_at, landed_at, known_from
    from versions
)

select
    record_id, rate_date, currency, kind,
    cast(case when rate > 0 and units = 1 then rate when rate > 0 and units > 0 then rate / nullif(units, 0) end as decimal(18, 8)) as rate_to_base,
    rate_text, units_text, corrected_text, file_name, sheet_name, row_number,
    is_deleted, is_reconstructed, is_newest, version_at, landed_at, known_from
from typed
