{{ config(materialized='table', schema='rules', database=('warehouse' if target.type == 'duckdb' else none)) }}
-- grain: one row per kind, deal, rule version that applies to its state and pipeline, and span of local days [from_date, to_date)
-- Kind `stay`: as long as state, pipeline and seller stay the same; their union is what the rule has in scope, with its from_date, to_date and
-- closed_days cut in. Kind `span`: as long as everything stays the same that a rule reads of the deal's intervals, for the rules
-- that do and those that begin in a phase.
-- The state of a day is that of its end (of E on the as-of day). judged_from: the first day after the grace of a seller who just got the deal;
-- null where nobody has it; the grace ends with the last of its business days, those of the company's calendar. opened_date: of the present open
-- time, after a reopening anew. What a rule has not had in scope since the oldest period shown is out. A table: each rule reads the columns it needs.
{%- set to_date %}least(
        pieces.ends_date, rules.to_date,
        case when pieces.life_state <> 'open' then cast(pieces.closed_on + cast(rules.closed_days as integer) as date) end
    ){% endset %}
{%- set in_scope %}
        ' ' || rules.applies_to || ' ' like '% ' || pieces.life_state || ' %'
        and (rules.pipeline is null or rules.pipeline = lower(pieces.pipeline) or rules.pipeline = lower(pieces.pipeline_id))
        and (pieces.ends_date > rules.from_date or pieces.ends_date is null) and (rules.to_date > pieces.first_date or rules.to_date is null)
{%- endset %}
with turns as (
    select
        days.*, sum(case when coalesce(owner_key, '') = coalesce(owner_key_before, '|') then 0 else 1 end) over by_deal as owner_run,
        sum(case when life_state = coalesce(life_state_before, '|') then 0 else 1 end) over by_deal as state_run,
        sum(case when coalesce(pipeline_id, '') = coalesce(pipeline_id_before, '|') then 0 else 1 end) over by_deal as pipeline_run
    from (
        select
            *, lag(owner_key) over (partition by deal_key order by valid_from nulls last) as owner_key_before,
            lag(life_state) over (partition by deal_key order by valid_from nulls last) as life_state_before,
            lag(pipeline_id) over (partition by deal_key order by valid_from nulls last) as pipeline_id_before
        from {{ ref('int_kpi__deal_days') }}
    ) as days
    window by_deal as (partition by deal_key order by valid_from nulls last rows between unbounded preceding and current row)
),

living as (
    select
        *, min(first_date) over (partition by deal_key, owner_run) as assigned_date, min(first_date) over (partition by deal_key, state_run) as opened_date
    from turns
),

described as (
    select
        living.deal_key, split_part(living.deal_key, ':', 1) as crm, living.first_date, living.end_date, living.life_state, living.owner_key, living.pipeline_id,
        living.pipeline, living.closed_on, living.close_date, living.amount, living.source, living.forecast_category, living.assigned_date,
        living.opened_date, {{ phase_number('stages.phase') }} as phase_number, stages.stage_rank,
        deals.created_date, deals.contact_key, deals.company_key, {{ in_base('living.amount', 'living.currency', 'rates.rate_to_base') }} as amount_base,
        row_number() over (
            partition by living.deal_key, living.owner_run, living.state_run, living.pipeline_run order by living.valid_from nulls last
        ) as place,
        max(coalesce(living.end_date, cast('9999-12-31' as date))) over (
            partition by living.deal_key, living.owner_run, living.state_run, living.pipeline_run
        ) as last_date
    from living
    inner join {{ ref('deals') }} as deals on living.deal_key = deals.deal_key
    left join {{ ref('stages') }} as stages
        on split_part(living.deal_key, ':', 1) = stages.source and living.pipeline_id = stages.pipeline_id and living.stage_id = stages.stage_id
    left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'living.currency', 'living.first_date') }}
    where living.life_state in ('open', 'won', 'lost') and (living.end_date is null or living.first_date < living.end_date)
),

pieces as (
    select 'stay' as kind, *, nullif(last_date, cast('9999-12-31' as date)) as ends_date from described where place = 1
    union all
    select 'span' as kind, *, end_date as ends_date from described
),

-- stays only, as they cover what spans cover
shown as (
    select pieces.deal_key, rules.rule_id
    from pieces
    inner join {{ ref('int_kpi__rules') }} as rules on {{ in_scope }}
    where pieces.kind = 'stay' and ({{ to_date }} is null or greatest(pieces.first_date, rules.from_date) < {{ to_date }})
    group by pieces.deal_key, rules.rule_id
    having max(coalesce({{ to_date }}, cast('9999-12-31' as date))) > {{ rules_shown_from() }}
)

select
    pieces.*, rules.rule_id, rules.version, rules.from_phase_number, rules.limit_days, rules.late_limit_days, rules.limit_count, rules.limit_amount,
    rules.words, greatest(pieces.first_date, rules.from_date) as from_date, {{ to_date }} as to_date,
    case when pieces.owner_key is not null then coalesce(grace.date, pieces.assigned_date) end as judged_from
from pieces
inner join {{ ref('int_kpi__rules') }} as rules
    on {{ in_scope }}
    and (
        pieces.kind = 'stay' or rules.from_phase_number is not null
        or rules.rule_id in ('{{ crm_rules_of_spans() | join("', '") }}')
    )
inner join shown on pieces.deal_key = shown.deal_key and rules.rule_id = shown.rule_id
left join {{ ref('calendar') }} as assigned on pieces.assigned_date = assigned.date and assigned.country = '{{ var("company_country") }}'
left join {{ ref('calendar') }} as grace
    on assigned.working_day_number + rules.grace_days + 1 = grace.working_day_number and grace.is_working_day
    and grace.country = '{{ var("company_country") }}' and rules.grace_days > 0
where {{ to_date }} is null or greatest(pieces.first_date, rules.from_date) < {{ to_date }}
