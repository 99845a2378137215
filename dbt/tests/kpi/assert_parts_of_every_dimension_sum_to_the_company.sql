{{ config(meta={'dagster': {'ref': {'name': 'win_rate'}}}) }}
-- I11, I19: for every table that can be cut, period and dimension, counts and values of the members sum to the company's
{%- set tables = {
    'win_rate': ['won_count', 'lost_count', 'decided_count', 'won_value', 'lost_value', 'missing_amount_count'],
    'sales_cycle': ['won_count'],
    'sales_cycle_cohort': ['accepted_count', 'censored_count'],
    'win_rate_cohort': ['accepted_count', 'won_count', 'lost_count', 'open_count', 'removed_count', 'merged_count'],
    'yield': ['accepted_count', 'won_count', 'created_value', 'won_value', 'open_value', 'activity_count'],
    'pipeline_created': ['created_count', 'created_value'],
    'slippage': ['open_at_start_count', 'open_at_start_value', 'pushed_count', 'pushed_value', 'slipped_count', 'slipped_value'],
    'stage_conversion': ['entered_count', 'advanced_count', 'lost_count', 'still_in_count', 'won_value'],
    'stage_flow': ['opening_count', 'entered_count', 'advanced_count', 'won_count', 'lost_count', 'closing_count'],
    'contract_value': ['won_count', 'excluded_count'],
    'crm_rules': ['pass_count', 'fail_count', 'not_applicable_count', 'pass_value', 'fail_value', 'reconstructed_count'],
    'crm_score': ['deal_count', 'passing_count', 'open_deal_count', 'deal_value', 'passing_value'],
    'bookings': ['won_count', 'won_value', 'net_bookings', 'reversed_value', 'missing_amount_count'],
    'loss_analysis': ['lost_count', 'lost_value'],
    'contact_quality': ['contact_count', 'cluster_count', 'duplicate_count', 'review_pair_count'],
    'pipeline_open': [
        'open_count', 'open_value', 'overdue_count', 'overdue_value', 'missing_amount_count', 'weighted_value', 'unweighted_count', 'horizon_value',
        'horizon_stage_3_value',
    ],
} %}
with figures as (
    {%- for table, measures in tables.items() %}
    {%- set outer_loop = loop %}
    {%- for measure in measures %}
    select
        '{{ table }}' as table_name, '{{ measure }}' as measure,
        {{ "'snapshot'" if table == 'pipeline_open' else 'period_grain' }} as period_grain,
        {{ 'snapshot_date' if table == 'pipeline_open' else 'period_start' }} as period_start,
        dimension, cast({{ measure }} as decimal(18, 2)) as figure
    from {{ ref(table) }}
    {% if not (loop.last and outer_loop.last) %}union all{% endif %}
    {%- endfor %}
    {%- endfor %}
),

sums as (
    select table_name, measure, period_grain, period_start, dimension, sum(figure) as figure
    from figures
    group by table_name, measure, period_grain, period_start, dimension
),

company as (
    select table_name, measure, period_grain, period_start, figure from sums where dimension = 'company'
),

expected as (
    select company.*, dimensions.dimension
    from company
    cross join (select distinct table_name as dimension_of, dimension from sums) as dimensions
    where company.table_name = dimensions.dimension_of
)

-- a whole dimension that is absent from a period is found too, and so is a period without a company row
select
    coalesce(expected.table_name, sums.table_name) as table_name, coalesce(expected.measure, sums.measure) as measure,
    coalesce(expected.period_grain, sums.period_grain) as period_grain, coalesce(expected.period_start, sums.period_start) as period_start,
    coalesce(expected.dimension, sums.dimension) as dimension, expected.figure as company_figure, sums.figure as sum_of_parts
from expected
full join sums
    on expected.table_name = sums.table_name and expected.measure = sums.measure and expected.period_grain = sums.period_grain
    and coalesce(expected.period_start, cast('1900-01-01' as date)) = coalesce(sums.period_start, cast('1900-01-01' as date))
    and expected.dimension = sums.dimension
where expected.figure is distinct from sums.figure
