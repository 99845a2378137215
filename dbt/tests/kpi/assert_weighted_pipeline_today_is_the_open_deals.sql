{{ config(meta={'dagster': {'ref': {'name': 'pipeline_open'}}}) }}
-- I19: the newest weighted value is the sum over the deals that are open as of E, each at the weight that stage_weights shows for it and rounded;
-- what closes in the quarter is theirs too
with deals as (
    select
        deals.pipeline, deals.stage, coalesce(deals.segment, 'unknown') as segment, deals.amount_base,
        case when {{ fiscal_quarter_start('deals.close_date') }} = {{ fiscal_quarter_start(as_of_date()) }} then deals.amount_base end as horizon_value,
        least(13, cast(floor(({{ days_between(as_of_date(), 'horizon.horizon_end') }} + 6) / 7) as bigint)) as weeks_left
    from {{ ref('deals') }} as deals
    cross join (select cast({{ fiscal_quarter_start(as_of_date()) }} + interval 3 month as date) as horizon_end) as horizon
    where deals.life_state = 'open' and not deals.is_excluded
),

weighed as (
    select deals.*, coalesce(cells.weight, stages.weight, pipelines.weight) as weight
    from deals
    {%- for name, level, columns in [('cells', 'segment', ['stage', 'segment']), ('stages', 'stage', ['stage']), ('pipelines', 'pipeline', [])] %}
    left join {{ ref('stage_weights') }} as {{ name }}
        on {{ name }}.level = '{{ level }}' and {{ name }}.horizon_start = {{ fiscal_quarter_start(as_of_date()) }}
        and deals.weeks_left = {{ name }}.weeks_left and deals.pipeline = {{ name }}.pipeline
        {%- for column in columns %} and deals.{{ column }} = {{ name }}.{{ column }}{% endfor %}
    {%- endfor %}
),

expected as (
    select
        sum(case when weight is not null then coalesce({{ money_times('amount_base', 2, 'cast(weight as decimal(18, 8))') }}, 0) end) as weighted_value,
        count(*) filter (where weight is null) as unweighted_count, coalesce(sum(horizon_value), 0) as horizon_value
    from weighed
)

select expected.*, stock.weighted_value as snapshot_weighted_value, stock.unweighted_count as snapshot_unweighted_count
from expected
left join {{ ref('pipeline_open') }} as stock on stock.dimension = 'company' and stock.snapshot_date = {{ as_of_date() }}
where coalesce(expected.weighted_value, -1) <> coalesce(stock.weighted_value, -1) or expected.unweighted_count <> coalesce(stock.unweighted_count, 0)
    or expected.horizon_value <> coalesce(stock.horizon_value, 0)
