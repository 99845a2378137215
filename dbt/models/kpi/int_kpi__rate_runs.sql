{{ config(materialized=intermediate()) }}
-- grain: one row per currency and run of snapshot days [from_snapshot_date, to_snapshot_date) with one rate; to_snapshot_date NULL = up to the
-- as-of day. The runs of a currency hold every snapshot day: before its first rate they have none.
with daily as (
    select currencies.currency, snapshots.snapshot_date, rates.rate_to_base
    from (select distinct currency from {{ ref('exchange_rates') }}) as currencies
    cross join {{ snapshot_days() }} as snapshots
    left join {{ ref('exchange_rates') }} as rates on currencies.currency = rates.currency and snapshots.snapshot_date = rates.date
),

compared as (
    select
        *, row_number() over (partition by currency order by snapshot_date nulls last) = 1
        or coalesce(rate_to_base, 0) <> coalesce(lag(rate_to_base) over (partition by currency order by snapshot_date nulls last), 0) as is_new
    from daily
)

select
    currency, snapshot_date as from_snapshot_date, lead(snapshot_date) over (partition by currency order by snapshot_date nulls last) as to_snapshot_date,
    rate_to_base
from compared
where is_new
