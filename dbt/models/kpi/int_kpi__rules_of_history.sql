{{ config(materialized=intermediate()) }}
-- grain: one row per deal, rule version and stretch of local days on which what the deal went through breaks the rule: R05, R13, R14, R15, R20
-- R05: the limit of a fiscal quarter is known when it begins: the limit_share quantile (P80) of the finished visits of the four quarters before it,
-- by stage and segment, of deals won by then; under limit_count visits it is limit_days. R13 counts what pipeline.deals counts as a push.
with spans as (
    select * from {{ ref('int_kpi__rule_spans') }}
    where kind = 'stay' and rule_id in ('R05', 'R13', 'R14', 'R15', 'R20')
),

rules as (
    select * from {{ ref('int_kpi__rules') }} where rule_id in ('R05', 'R13', 'R14', 'R15')
),

visits as (
    select
        visits.deal_key, visits.visit_number, visits.pipeline_id, visits.stage_id, visits.stage, visits.stage_rank, visits.entered_at, visits.exited_at, visits.days,
        visits.entry_kind, {{ local_date('visits.entered_at') }} as entry_date, {{ local_date('visits.exited_at') }} as exit_date, deals.segment,
        case when deals.life_state = 'won' then deals.closed_date end as won_date,
        lag(visits.stage_rank) over (partition by visits.deal_key order by visits.visit_number nulls last) as rank_before
    from {{ ref('deal_stage_visits') }} as visits
    inner join {{ ref('deals') }} as deals on visits.deal_key = deals.deal_key and not deals.is_excluded
),

quarters as (
    select
        fiscal_quarter_start as from_date, cast(fiscal_quarter_start + interval 3 month as date) as to_date,
        cast(fiscal_quarter_start - interval 12 month as date) as learned_from
    from {{ ref('calendar') }} where country = '{{ var("company_country") }}' and date <= {{ as_of_date() }} group by fiscal_quarter_start
),

ordered as (
    select
        quarters.from_date, rules.version, visits.pipeline_id, visits.stage_id, coalesce(visits.segment, '') as segment, visits.days, rules.limit_count,
        (count(*) over same - 1) * rules.limit_share as place, count(*) over same as visit_count,
        row_number() over (
            partition by quarters.from_date, rules.version, visits.pipeline_id, visits.stage_id, coalesce(visits.segment, '') order by visits.days nulls last
        ) - 1 as position
    from quarters
    inner join visits
        on visits.exit_date >= quarters.learned_from and visits.exit_date < quarters.from_date and visits.won_date < quarters.from_date and visits.days is not null
    cross join rules
    where rules.rule_id = 'R05'
    window same as (partition by quarters.from_date, rules.version, visits.pipeline_id, visits.stage_id, coalesce(visits.segment, ''))
),

-- linear interpolation between the two neighbours of the place
limits as (
    select from_date, version, pipeline_id, stage_id, segment, round(sum(days * greatest(1 - abs(position - place), 0)) * 1e6) / 1e6 as limit_days
    from ordered where visit_count >= limit_count
    group by from_date, version, pipeline_id, stage_id, segment
),

stays as (
    select
        visits.deal_key, rules.version, visits.stage, coalesce(limits.limit_days, rules.limit_days) as limit_days, visits.entered_at,
        quarters.from_date as quarter_from, least(quarters.to_date, visits.exit_date) as to_date
    from visits
    inner join quarters on visits.entry_date < quarters.to_date and (visits.exit_date > quarters.from_date or visits.exit_date is null)
    inner join rules on rules.rule_id = 'R05'
    left join limits
        on quarters.from_date = limits.from_date and rules.version = limits.version and visits.pipeline_id = limits.pipeline_id
        and visits.stage_id = limits.stage_id and coalesce(visits.segment, '') = limits.segment
),

overstays as (
    select *, greatest(quarter_from, {{ local_date('due_at') }}) as from_date
    from (
        select *, {{ epoch_millis_instant(
            'cast(cast(floor(' ~ epoch_micros('entered_at') ~ ' / cast(1000 as double) + limit_days * 86400000) as bigint) as string)'
        ) }} as due_at
        from stays
    ) as timed
    where due_at <= {{ as_of() }}
),

pushes as (
    select
        deal_key, first_date as from_date, lead(first_date) over (partition by deal_key order by valid_from nulls last) as to_date,
        row_number() over (partition by deal_key order by valid_from nulls last) as push_count
    from (
        select deal_key, valid_from, first_date, close_date, lag(close_date) over (partition by deal_key order by valid_from nulls last) as close_date_before
        from {{ ref('deal_versions') }} where life_state = 'open' and close_date is not null
    ) as dated
    where close_date > close_date_before
),

steps_back as (
    select visits.deal_key, visits.visit_number, rules.version, min(visits.entry_date) as from_date, min(notes.occurred_date) as to_date
    from visits
    inner join rules on rules.rule_id = 'R14'
    left join {{ ref('activity_links') }} as links on visits.deal_key = links.deal_key
    left join {{ ref('activities') }} as notes
        on links.activity_key = notes.activity_key and notes.activity_type = 'note' and notes.occurred_at <= {{ as_of() }}
        and notes.occurred_date >= cast(visits.entry_date - cast(rules.limit_days as integer) as date)
    where visits.entry_kind = 'regression'
    group by visits.deal_key, visits.visit_number, rules.version
),

jumps as (
    select deal_key, entry_date as from_date, sum(stage_rank - rank_before - 1) as skipped_count
    from visits where entry_kind = 'skipped_in' group by deal_key, entry_date, pipeline_id
)

select {{ rule_layer(
    'fail', "'in ' || overstays.stage || ' for more than ' || cast(cast(floor(overstays.limit_days) as bigint) as string) || ' days'",
    starts=['overstays.from_date'], ends=['overstays.to_date']
) }}
from spans
inner join overstays on spans.deal_key = overstays.deal_key and spans.version = overstays.version and {{ meets_span('overstays') }}
where spans.rule_id = 'R05'
union all
select {{ rule_layer('fail', "'close date pushed ' || cast(pushes.push_count as string) || ' times'", starts=['pushes.from_date'], ends=['pushes.to_date']) }}
from spans
inner join pushes on spans.deal_key = pushes.deal_key and pushes.push_count >= spans.limit_count and {{ meets_span('pushes') }}
where spans.rule_id = 'R13'
union all
select {{ rule_layer('fail', "'went back on ' || cast(steps_back.from_date as string) || ' without a note'", starts=['steps_back.from_date'], ends=['steps_back.to_date']) }}
from spans
inner join steps_back on spans.deal_key = steps_back.deal_key and spans.version = steps_back.version and {{ meets_span('steps_back') }}
where spans.rule_id = 'R14'
union all
select {{ rule_layer('fail', "'skipped ' || cast(jumps.skipped_count as string) || ' stages on ' || cast(jumps.from_date as string)", starts=['jumps.from_date']) }}
from spans
inner join jumps on spans.deal_key = jumps.deal_key and jumps.skipped_count >= spans.limit_count
where spans.rule_id = 'R15'
union all
select {{ rule_layer('fail', "'won within a day of its creation'") }}
from spans
inner join {{ ref('deals') }} as deals on spans.deal_key = deals.deal_key
where spans.rule_id = 'R15' and spans.life_state = 'won' and {{ elapsed_days('deals.created_at', 'deals.closed_at') }} <= spans.limit_days
union all
select {{ rule_layer(
    'fail', "'changed by ' || bulk.changed_by || ' with many other deals'", starts=['bulk.changed_date'], ends=['cast(bulk.changed_date + 1 as date)']
) }}
from spans
inner join (select distinct deal_key, changed_by, changed_date from {{ ref('int_kpi__bulk_changes') }}) as bulk
    on spans.deal_key = bulk.deal_key and bulk.changed_date >= spans.from_date and (bulk.changed_date < spans.to_date or spans.to_date is null)
where spans.rule_id = 'R20'
