{{ config(materialized=intermediate()) }}
-- grain: one row per version of a deal, open in a sales pipeline, that stood at the end of at least one snapshot day
-- Snapshot days: the as-of day, each of the 400 days before it, and older month-ends since the calendar's first day. A version
-- stands at the end of a local day when it began on or before that day and ended after it. first_snapshot_date is the first
-- snapshot at which it stood, end_snapshot_date the first at which it no longer did (null = stands as of E), so versions that
-- came and went between two snapshots are dropped here. overdue_snapshot_date: the first snapshot after the close date.
-- [horizon_from_date, horizon_to_date): the snapshots that lie in the fiscal quarter of the close date, if is_ever_in_horizon.
-- A version in another currency is one row for each run of snapshots with one rate: a new rate is an event like a new amount.
with versions as (
    select
        deals.lead_source as source, deals.order_type, deals.product, deals.segment, deals.industry, deals.country,
        deals.deal_size_band,
        versions.pipeline, versions.stage, versions.stage_rank, versions.team, versions.owner_key, coalesce(owners.name, owners.email, versions.owner_key) as owner,
        versions.amount, versions.currency, versions.close_date, versions.first_date, versions.end_date
    from {{ ref('deal_versions') }} as versions
    inner join {{ ref('deals') }} as deals on versions.deal_key = deals.deal_key
    left join {{ ref('owners') }} as owners on versions.owner_key = owners.owner_key
    left join {{ ref('int_kpi__ignored_pipelines') }} as ignored
        on deals.source = ignored.source and versions.pipeline_id = ignored.pipeline_id
    where versions.life_state = 'open' and not deals.is_excluded and ignored.pipeline_id is null
),

snapped as (
    select
        versions.*,
        {{ snapshot_on_or_after('first_date') }} as first_snapshot_date,
        {{ snapshot_on_or_after('end_date') }} as end_snapshot_date,
        {{ snapshot_on_or_after('cast(close_date + interval 1 day as date)') }} as after_close_date,
        {{ snapshot_on_or_after(fiscal_quarter_start('close_date')) }} as quarter_from_date,
        {{ snapshot_on_or_after('cast(' ~ fiscal_quarter_start('close_date') ~ ' + interval 3 month as date)') }} as quarter_to_date
    from versions
    where first_date <= {{ as_of_date() }}
),

valued as (
    select
        snapped.*, {{ in_base('snapped.amount', 'snapped.currency', 'rates.rate_to_base') }} as amount_base,
        greatest(snapped.first_snapshot_date, rates.from_snapshot_date) as stands_from, least(snapped.end_snapshot_date, rates.to_snapshot_date) as stands_to
    from snapped
    left join {{ ref('int_kpi__rate_runs') }} as rates
        on snapped.currency = rates.currency and (snapped.first_snapshot_date < rates.to_snapshot_date or rates.to_snapshot_date is null)
        and (snapped.end_snapshot_date > rates.from_snapshot_date or snapped.end_snapshot_date is null)
    where snapped.end_snapshot_date is null or snapped.first_snapshot_date < snapped.end_snapshot_date
)

select
    source, order_type, product, segment, industry, country, deal_size_band, pipeline, stage, stage_rank, team, owner_key, owner, amount_base,
    stands_from as first_snapshot_date, stands_to as end_snapshot_date, greatest(stands_from, after_close_date) as overdue_snapshot_date,
    close_date is not null and after_close_date <= {{ as_of_date() }}
        and (stands_to is null or after_close_date < stands_to) as is_ever_overdue,
    greatest(stands_from, quarter_from_date) as horizon_from_date, least(stands_to, quarter_to_date) as horizon_to_date,
    close_date is not null and greatest(stands_from, quarter_from_date) < least(stands_to, quarter_to_date)
        and quarter_from_date <= {{ as_of_date() }} as is_ever_in_horizon
from valued
