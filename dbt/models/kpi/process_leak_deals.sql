-- grain: one row per line of process_leaks and deal lost at its stage in the newest 13 whole weeks: what a leak is made of, largest first
select
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(pipeline as string) as pipeline,
    cast(stage as string) as stage,
    cast(deal_key as string) as deal_key,
    cast(row_number() over (
        partition by dimension, member_key, pipeline, stage order by amount_base desc nulls last, deal_key nulls last
    ) as bigint) as place,
    cast(lost_date as date) as lost_date,
    cast(amount_base as decimal(18, 2)) as amount_base,
    cast(reason as string) as loss_reason_group
from (
    select dimension, member_key, pipeline, stage, deal_key, max(exit_date) as lost_date, max(amount_base) as amount_base, max(reason) as reason
    from {{ ref('int_kpi__leak_members') }}
    where block = 0 and is_lost = 1
    group by dimension, member_key, pipeline, stage, deal_key
) as lost
