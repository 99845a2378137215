-- grain: one row per line of process_leaks and deal lost at its stage in the newest 13 whole weeks: what a leak is made of, largest first
select
    cast(members.dimension as string) as dimension,
    cast(members.member_key as string) as member_key,
    cast(members.visited_pipeline as string) as pipeline,
    cast(members.stage as string) as stage,
    cast(members.deal_key as string) as deal_key,
    cast(row_number() over (
        partition by members.dimension, members.member_key, members.visited_pipeline, members.stage
        order by members.amount_base desc nulls last, members.deal_key nulls last
    ) as bigint) as place,
    cast(members.exit_date as date) as lost_date,
    cast(members.amount_base as decimal(18, 2)) as amount_base,
    cast(deals.loss_reason_group as string) as loss_reason_group
from (
    select distinct dimension, member_key, visited_pipeline, stage, deal_key, exit_date, amount_base
    from {{ cut_members(ref('int_kpi__leak_exits'), ['visited_pipeline', 'stage', 'deal_key', 'exit_date', 'amount_base', 'block', 'is_lost']) }} as cut
    where dimension in ('company', 'team', 'owner', 'segment') and block = 0 and is_lost = 1
) as members
inner join {{ ref('int_kpi__deals') }} as deals on members.deal_key = deals.deal_key
