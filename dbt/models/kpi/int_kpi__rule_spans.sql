{{ config(materialized='ephemeral') }}
-- grain: one row per deal, rule version that applies to its state and pipeline, and span of local days [from_date, to_date) in which what a
-- rule reads of the deal's own intervals stays the same. Their union is what the rule has in scope: its from_date, to_date and closed_days are cut in.
-- The state of a day is that of its end (of E on the as-of day). judged_from: the first day after the grace of a seller who just got the deal;
-- null where nobody has it; the grace ends with the last of its business days, those of the company's calendar. opened_date: of the present open
-- time, after a reopening anew.
with turns as (
    select
        days.*, sum(case when coalesce(owner_key, '') = coalesce(owner_key_before, '|') then 0 else 1 end) over by_deal as owner_run,
        sum(case when life_state = coalesce(life_state_before, '|') then 0 else 1 end) over by_deal as state_run
    from (
        select
            *, lag(owner_key) over (partition by deal_key order by valid_from nulls last) as owner_key_before,
            lag(life_state) over (partition by deal_key order by valid_from nulls last) as life_state_before
        from {{ ref('int_kpi__deal_days') }}
    ) as days
    window by_deal as (partition by deal_key order by valid_from nulls last rows between unbounded preceding and current row)
),

living as (
    select
        *, min(first_date) over (partition by deal_key, owner_run) as assigned_date, min(first_date) over (partition by deal_key, state_run) as opened_date,
        split_part(deal_key, ':', 1) as crm
    from turns
),

described as (
    select
        living.*, {{ phase_number('stages.phase') }} as phase_number, stages.stage_rank,
        deals.created_date, deals.contact_key, deals.company_key, {{ in_base('living.amount', 'living.currency', 'rates.rate_to_base') }} as amount_base
    from living
    inner join {{ ref('deals') }} as deals on living.deal_key = deals.deal_key
    left join {{ ref('stages') }} as stages on living.crm = stages.source and living.pipeline_id = stages.pipeline_id and living.stage_id = stages.stage_id
    left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'living.currency', 'living.first_date') }}
    where living.life_state in ('open', 'won', 'lost') and (living.end_date is null or living.first_date < living.end_date)
),

scoped as (
    select
        described.*, rules.rule_id, rules.version, rules.from_phase_number, rules.grace_days, rules.limit_days, rules.late_limit_days, rules.limit_count,
        rules.limit_amount, rules.limit_share, rules.words, greatest(described.first_date, rules.from_date) as from_date,
        least(
            described.end_date, rules.to_date,
            case when described.life_state <> 'open' then cast(described.closed_on + cast(rules.closed_days as integer) as date) end
        ) as to_date
    from described
    inner join {{ ref('int_kpi__rules') }} as rules
        on ' ' || rules.applies_to || ' ' like '% ' || described.life_state || ' %'
        and (rules.pipeline is null or rules.pipeline = lower(described.pipeline) or rules.pipeline = lower(described.pipeline_id))
        and (described.end_date > rules.from_date or described.end_date is null) and (rules.to_date > described.first_date or rules.to_date is null)
)

select scoped.*, case when scoped.owner_key is not null then coalesce(grace.date, scoped.assigned_date) end as judged_from
from scoped
left join {{ ref('calendar') }} as assigned on scoped.assigned_date = assigned.date and assigned.country = '{{ var("company_country") }}'
left join {{ ref('calendar') }} as grace
    on assigned.working_day_number + scoped.grace_days + 1 = grace.working_day_number and grace.is_working_day and grace.country = '{{ var("company_country") }}'
    and scoped.grace_days > 0
where scoped.to_date is null or scoped.from_date < scoped.to_date
