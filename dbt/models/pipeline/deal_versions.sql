-- grain: one row per deal and interval [valid_from, valid_to) in which stage, amount, currency, close date, owner, forecast
-- category and deletion state stay the same, and the team of its seller; intervals of a deal tile its life: no gap, no overlap
-- amount_base is the amount on the interval's first day; what it is worth on another day takes that day's rate (exchange_rates).
{%- set fields = ['stage_id', 'pipeline_id', 'amount', 'currency', 'close_date', 'owner_id', 'forecast_category', 'deletion', 'life_state'] %}
with points as (
    select deal_key, field, value, changed_at, place, known_from, is_reconstructed from {{ ref('int_pipeline__deal_points') }}
    where field in ('{{ fields | join("', '") }}')
),

instants as (
    select
        deal_key, changed_at as valid_from,
        {%- for field in fields %}
        max_by(value, -place) filter (where field = '{{ field }}' and value is not null) as {{ field }},
        {%- endfor %}
        max(known_from) as known_from, max(case when is_reconstructed then 1 else 0 end) = 1 as is_reconstructed
    from points
    group by deal_key, changed_at
),

filled as (
    select
        deal_key, valid_from, known_from, is_reconstructed,
        {%- for field in fields %}
        nullif(max_by({{ field }}, case when {{ field }} is not null then valid_from end) over (
            partition by deal_key order by valid_from nulls last rows between unbounded preceding and current row
        ), '') as {{ field }}{{ ',' if not loop.last }}
        {%- endfor %}
    from instants
),

marked as (
    select *, lag(state) over (partition by deal_key order by valid_from nulls last) as state_before
    from (
        select *, concat_ws(
            '|',
            {%- for field in fields %}
            coalesce({{ field }}, ''){{ ',' if not loop.last }}
            {%- endfor %}
        ) as state
        from filled
    ) as described
),

intervals as (
    select *, lead(valid_from) over (partition by deal_key order by valid_from nulls last) as valid_to
    from marked where state_before is null or state <> state_before
),

staged as (
    select
        intervals.*, split_part(intervals.deal_key, ':', 1) as source, coalesce(stages.pipeline_id, by_stage.pipeline_id, intervals.pipeline_id) as known_pipeline_id,
        coalesce(stages.pipeline, by_stage.pipeline, pipelines.pipeline) as pipeline, coalesce(stages.stage, by_stage.stage) as stage,
        coalesce(stages.stage_rank, by_stage.stage_rank) as stage_rank, coalesce(stages.life_state, by_stage.life_state) as stage_life_state
    from intervals
    -- once in this select: the linter counts the table of the select inside it too
    left join {{ ref('stages') }} as stages  -- noqa: AL04
        on split_part(intervals.deal_key, ':', 1) = stages.source and intervals.pipeline_id = stages.pipeline_id and intervals.stage_id = stages.stage_id
    left join {{ ref('stages') }} as by_stage
        on split_part(intervals.deal_key, ':', 1) = by_stage.source and stages.stage_id is null and intervals.stage_id = by_stage.stage_id
        and by_stage.is_unique_stage_id
    left join (select source, pipeline_id, min(pipeline) as pipeline from {{ ref('stages') }} group by source, pipeline_id) as pipelines
        on split_part(intervals.deal_key, ':', 1) = pipelines.source and intervals.pipeline_id = pipelines.pipeline_id
),

owned as (
    select
        staged.*, coalesce(sheet_owners.owner_key, {{ seller_key('staged.source', 'staged.owner_id', 'same') }}) as owner_key, flags.is_closed, flags.is_closed_won,
        accounts.currency as account_currency
    from staged
    left join {{ ref('int_pipeline__sheet_deal_owners') }} as sheet_owners on staged.deal_key = sheet_owners.deal_key
    left join {{ ref('int_pipeline__same_owners') }} as same on {{ same_seller('staged.source', 'staged.owner_id', 'same') }}
    left join {{ ref('int_crm__accounts') }} as accounts on staged.source = accounts.source
    left join {{ ref('int_crm__deals') }} as flags on staged.deal_key = flags.source || ':deal:' || flags.deal_id and staged.stage_id = flags.stage_id
),

typed as (
    select
        *, try_cast(amount as decimal(18, 2)) as amount_typed,
        coalesce(upper(currency), account_currency, '{{ var("company_currency") }}') as currency_typed,
        case
            when deletion = 'merged' then 'merged'
            when deletion is not null then 'removed'
            when source = 'spreadsheets' then coalesce(life_state, 'open')
            when stage_life_state is not null then stage_life_state
            when is_closed_won then 'won'
            when is_closed then 'lost'
            else 'open'
        end as life_state_typed
    from owned
)

{%- set starts = 'greatest(typed.valid_from, coalesce(teams.valid_from, typed.valid_from))' %}
{%- set ends = 'case when teams.valid_to <= ' ~ as_of() ~ ' then least(teams.valid_to, coalesce(typed.valid_to, teams.valid_to)) else typed.valid_to end' %}

select
    cast(typed.deal_key as string) as deal_key,
    {{ starts }} as valid_from,
    {{ ends }} as valid_to,
    cast({{ local_date(starts) }} as date) as first_date,
    cast({{ local_date(ends) }} as date) as end_date,
    typed.known_from,
    cast(coalesce(typed.pipeline, typed.known_pipeline_id, 'unknown') as string) as pipeline,
    cast(typed.known_pipeline_id as string) as pipeline_id,
    cast(coalesce(typed.stage, 'unknown') as string) as stage,
    cast(typed.stage_id as string) as stage_id,
    cast(typed.stage_rank as bigint) as stage_rank,
    cast(typed.life_state_typed as string) as life_state,
    cast(typed.amount_typed as decimal(18, 2)) as amount,
    cast(typed.currency_typed as string) as currency,
    cast({{ in_base('typed.amount_typed', 'typed.currency_typed', 'rates.rate_to_base') }} as decimal(18, 2)) as amount_base,
    cast(try_cast(typed.close_date as date) as date) as close_date,
    cast(typed.owner_key as string) as owner_key,
    cast(teams.team as string) as team,
    cast(typed.forecast_category as string) as forecast_category,
    cast(typed.is_reconstructed as boolean) as is_reconstructed
from typed
left join {{ ref('int_pipeline__owner_teams') }} as teams
    on typed.owner_key = teams.owner_key and (typed.valid_to > teams.valid_from or typed.valid_to is null) and teams.valid_from <= {{ as_of() }}
    and (typed.valid_from < teams.valid_to or teams.valid_to is null)
left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'typed.currency_typed', local_date(starts)) }}
