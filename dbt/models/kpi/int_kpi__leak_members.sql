{{ config(materialized=intermediate()) }}
-- grain: one row per exit of int_kpi__leak_exits and dimension (company, team, owner, segment), with the member that it belongs to
select
    dimension, member_key, member, visited_pipeline as pipeline, stage, stage_rank, block, is_advanced, is_lost, worth, stay_days, deal_key, exit_date,
    amount_base, reason
from {{ cut_members(
    '(select exits.*, deals.loss_reason_group as reason from ' ~ ref('int_kpi__leak_exits') ~ ' as exits inner join ' ~ ref('int_kpi__deals')
    ~ ' as deals on exits.deal_key = deals.deal_key) as facts',
    ['visited_pipeline', 'stage', 'stage_rank', 'block', 'is_advanced', 'is_lost', 'worth', 'stay_days', 'deal_key', 'exit_date', 'amount_base', 'reason']
) }} as cut
where dimension in ('company', 'team', 'owner', 'segment')
