-- grain: one row per period grain, period, dimension and member with a deal that an error-level rule judged on the period's last day
-- M29: the share of deals that pass all error-level rules that judge them; a deal that none judges (all in grace, nothing in scope) is out.
-- A stock on one day, by the owner of that day. previous_score is that of the period before, of the same member; NULL where it had none.
with verdicts as (
    select thing_key, from_date, to_date, case when verdict = 'fail' then 1 else 0 end as is_failing
    from {{ ref('crm_rule_results') }}
    where thing = 'deal' and severity = 'error' and verdict in ('pass', 'fail')
),

-- how many rules judge a deal, and fail it, between two days on which that changes: a deal meets a day once, not once for each rule
changes as (
    select thing_key, change_date, sum(judging) as judging, sum(failing) as failing
    from (
        select thing_key, from_date as change_date, 1 as judging, is_failing as failing from verdicts
        union all
        select thing_key, to_date, -1, -is_failing from verdicts where to_date is not null
    ) as steps
    group by thing_key, change_date
),

spans as (
    select
        thing_key, change_date as from_date, lead(change_date) over (partition by thing_key order by change_date nulls last) as to_date,
        sum(judging) over (partition by thing_key order by change_date nulls last rows between unbounded preceding and current row) as judging_count,
        sum(failing) over (partition by thing_key order by change_date nulls last rows between unbounded preceding and current row) as failing_count
    from changes
),

deals as (
    select things.*, case when spans.failing_count = 0 then 1 else 0 end as is_passing, case when things.is_open then 1 else 0 end as counts_open
    from {{ ref('int_kpi__rule_things') }} as things
    inner join spans on things.thing_key = spans.thing_key and spans.from_date <= things.snapshot_date
        and (spans.to_date > things.snapshot_date or spans.to_date is null)
    where things.thing = 'deal' and spans.judging_count > 0
),

counted as (
    select
        snapshot_date, dimension, member_key, max(member) as member, count(*) as deal_count, sum(is_passing) as passing_count,
        sum(counts_open) as open_deal_count, sum(counts_open * is_passing) as open_passing_count,
        coalesce(sum(amount_base), 0) as deal_value, coalesce(sum(amount_base * is_passing), 0) as passing_value
    from {{ cut_members('deals', ['snapshot_date', 'is_passing', 'counts_open', 'amount_base']) }} as members
    group by snapshot_date, dimension, member_key
),

scored as (
    select
        snapshots.period_grain, snapshots.period_start, snapshots.snapshot_date, counted.dimension, counted.member_key, counted.member, counted.deal_count,
        counted.passing_count, counted.deal_value, counted.passing_value, counted.open_deal_count, counted.open_passing_count,
        counted.passing_count / nullif(cast(counted.deal_count as double), 0) as score
    from {{ ref('int_kpi__rule_snapshots') }} as snapshots
    inner join counted on snapshots.snapshot_date = counted.snapshot_date
)

select
    cast(scored.period_grain as string) as period_grain,
    cast(scored.period_start as date) as period_start,
    cast(scored.dimension as string) as dimension,
    cast(scored.member_key as string) as member_key,
    cast(scored.member as string) as member,
    cast(scored.snapshot_date as date) as snapshot_date,
    cast(scored.deal_count as bigint) as deal_count,
    cast(scored.passing_count as bigint) as passing_count,
    cast(scored.score as double) as score,
    cast({{ wilson('scored.passing_count', 'scored.deal_count', -1) }} as double) as score_low,
    cast({{ wilson('scored.passing_count', 'scored.deal_count', 1) }} as double) as score_high,
    cast(scored.deal_value as decimal(18, 2)) as deal_value,
    cast(scored.passing_value as decimal(18, 2)) as passing_value,
    cast(cast(scored.passing_value as double) / nullif(cast(scored.deal_value as double), 0) as double) as score_by_value,
    cast(scored.open_deal_count as bigint) as open_deal_count,
    cast(scored.open_passing_count as bigint) as open_passing_count,
    cast(scored.open_passing_count / nullif(cast(scored.open_deal_count as double), 0) as double) as open_score,
    cast(before.score as double) as previous_score,
    cast(scored.score - before.score as double) as score_change
from scored
left join scored as before
    on scored.period_grain = before.period_grain and scored.dimension = before.dimension and scored.member_key = before.member_key
    and scored.period_start = {{ period_end('before.period_grain', 'before.period_start') }}
