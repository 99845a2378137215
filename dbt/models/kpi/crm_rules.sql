-- grain: one row per period grain, period, dimension, member and rule that has a deal or lead of the member in scope on the period's last day
-- M29: pass + fail + not_applicable = what is in the rule's scope (I22). A stock on one day (the as-of day while the period runs), by the owner of
-- that day: never sum over periods. Rates leave out what is not judged; by value what has an amount counts with it, leads have none.
with counted as (
    select
        snapshot_date, rule_id, dimension, member_key, max(member) as member,
        count(*) filter (where verdict = 'pass') as pass_count,
        count(*) filter (where verdict = 'fail') as fail_count,
        count(*) filter (where verdict = 'not_applicable') as not_applicable_count,
        coalesce(sum(amount_base) filter (where verdict = 'pass'), 0) as pass_value,
        coalesce(sum(amount_base) filter (where verdict = 'fail'), 0) as fail_value,
        count(*) filter (where is_reconstructed and verdict <> 'not_applicable') as reconstructed_count
    from {{ cut_members(ref('int_kpi__rule_verdicts'), ['snapshot_date', 'rule_id', 'verdict', 'amount_base', 'is_reconstructed']) }} as members
    group by snapshot_date, rule_id, dimension, member_key
)

select
    cast(snapshots.period_grain as string) as period_grain,
    cast(snapshots.period_start as date) as period_start,
    cast(counted.dimension as string) as dimension,
    cast(counted.member_key as string) as member_key,
    cast(counted.member as string) as member,
    cast(counted.rule_id as string) as rule_id,
    cast(snapshots.snapshot_date as date) as snapshot_date,
    cast(counted.pass_count as bigint) as pass_count,
    cast(counted.fail_count as bigint) as fail_count,
    cast(counted.not_applicable_count as bigint) as not_applicable_count,
    cast(counted.pass_count / nullif(cast(counted.pass_count + counted.fail_count as double), 0) as double) as pass_rate,
    cast({{ wilson('counted.pass_count', '(counted.pass_count + counted.fail_count)', -1) }} as double) as pass_rate_low,
    cast({{ wilson('counted.pass_count', '(counted.pass_count + counted.fail_count)', 1) }} as double) as pass_rate_high,
    cast(counted.pass_value as decimal(18, 2)) as pass_value,
    cast(counted.fail_value as decimal(18, 2)) as fail_value,
    cast(cast(counted.pass_value as double) / nullif(cast(counted.pass_value + counted.fail_value as double), 0) as double) as pass_rate_by_value,
    cast(counted.reconstructed_count as bigint) as reconstructed_count
from {{ ref('int_kpi__rule_snapshots') }} as snapshots
inner join counted on snapshots.snapshot_date = counted.snapshot_date
