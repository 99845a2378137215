{{ config(materialized=intermediate()) }}
-- grain: one row per deal that counts and interval of local days [first_date, end_date) at whose beginnings it stood as said
-- A version stands at the start of day b when it began before b and ended on b or later (end_date NULL = stands as of E). Several versions
-- of one day leave one that stands at no start: it is in no row's way. booked_on is the booking date of a closed state, closed_on the
-- local day on which the state began, amount_at_close (in currency_at_close) what stood then: later edits are lines of the ledger.
with versions as (
    select
        versions.deal_key, versions.valid_from, versions.first_date, versions.end_date, versions.amount, versions.currency,
        versions.close_date, versions.owner_key, versions.pipeline_id, versions.stage_id, versions.forecast_category,
        coalesce(owners.name, owners.email, versions.owner_key) as owner, versions.team, versions.pipeline,
        case when versions.life_state = 'open' and ignored.pipeline_id is not null then 'ignored' else versions.life_state end as life_state,
        deals.lead_source as source, deals.order_type, deals.product, deals.segment, deals.industry, deals.country, deals.deal_size_band
    from {{ ref('deal_versions') }} as versions
    inner join {{ ref('deals') }} as deals on versions.deal_key = deals.deal_key and not deals.is_excluded
    left join {{ ref('owners') }} as owners on versions.owner_key = owners.owner_key
    left join {{ ref('int_kpi__ignored_pipelines') }} as ignored on deals.source = ignored.source and versions.pipeline_id = ignored.pipeline_id
),

runs as (
    select *, sum(is_turn) over (partition by deal_key order by valid_from nulls last rows between unbounded preceding and current row) as run
    from (
        select *, case when life_state = lag(life_state) over (partition by deal_key order by valid_from nulls last) then 0 else 1 end as is_turn
        from versions
    ) as compared
),

starts as (
    select deal_key, run, valid_from as run_from, amount as amount_at_close, currency as currency_at_close, owner_key, owner, team, pipeline, close_date
    from runs where is_turn = 1
)

select
    runs.deal_key, runs.first_date, runs.end_date, runs.valid_from, runs.life_state,
    runs.amount, runs.currency, runs.close_date, runs.source, runs.order_type, runs.product, runs.segment, runs.industry, runs.country, runs.deal_size_band,
    runs.pipeline_id, runs.stage_id, runs.forecast_category,
    {%- for column in ['owner_key', 'owner', 'team', 'pipeline'] %}
    case when runs.life_state = 'open' then runs.{{ column }} else starts.{{ column }} end as {{ column }},
    {%- endfor %}
    {{ local_date('starts.run_from') }} as closed_on, starts.amount_at_close, starts.currency_at_close,
    case runs.life_state when 'won' then coalesce(starts.close_date, {{ local_date('starts.run_from') }}) when 'lost' then {{ local_date('starts.run_from') }} end as booked_on
from runs
inner join starts on runs.deal_key = starts.deal_key and runs.run = starts.run
