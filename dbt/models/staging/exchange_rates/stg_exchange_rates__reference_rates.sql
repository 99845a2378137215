-- grain: one row per rate day, currency and landed version known at K, of days whose rates were published at or before E
-- rate_per_eur: units of the currency for one euro; the euro is not listed. What is empty, N/A, no number or not positive is absent here:
-- stg_exchange_rates__problems lists what is more than a gap. A currency that the newest version of a day no longer has keeps its old rows,
-- none of them is_newest.
with published as ({{ published_reference_rates(source('exchange_rates', 'reference_rates')) }}),

listed as ({{ listed_reference_rates('published') }}),

typed as (
    select
        rate_date, published_at, landed_at, is_newest, upper({{ filled('p.currency') }}) as currency, {{ usable_rate(filled('p.rate')) }} as rate_per_eur
    from listed
)

select
    rate_date,
    currency,
    cast(rate_per_eur as decimal(18, 8)) as rate_per_eur,
    published_at,
    landed_at as known_from,
    is_newest
from typed
where rate_per_eur is not null and {{ matches('currency', '^[A-Z]{3}$') }} and currency <> 'EUR'
