-- grain: one row per period grain, period (of booking date), dimension, member, lost_from_stage and loss_reason_group with a loss
-- M20: accepted deals lost in the period, by the stage they were lost from and the reason typed by the seller (evidence, not truth).
-- exit_share = these losses / all exits from that stage in the same period and member. Exits: every visit of the stage by such a
-- deal (any life state) that ended in the period, whatever its end: advanced, skipped, won, lost, regressed, moved; an exit
-- belongs to the owner, team and pipeline in force when it happened. The losses themselves are exits on their booking date, so
-- the share never passes 1. Null where the stage is unknown. Shares follow stage traffic: a busy stage loses more. The hazard does not:
-- losses per week that a deal spent in the stage in the period (stage_flow, by the owner and team of the entry there).
with last_contacts as (
    select deals.deal_key, max(touches.occurred_date) as last_contact_date
    from {{ ref('int_kpi__deals') }} as deals
    inner join {{ ref('int_kpi__buyer_touches') }} as touches on deals.deal_key = touches.deal_key and touches.occurred_date <= deals.booking_date
    where deals.is_rate_deal and deals.life_state = 'lost'
    group by deals.deal_key
),

losses as (
    select
        deals.booking_date as exit_date, deals.owner_key, deals.owner, deals.team, deals.source, deals.pipeline, deals.order_type, deals.product,
        deals.segment, deals.industry, deals.country, deals.deal_size_band, coalesce(deals.lost_from_stage, 'unknown') as stage,
        coalesce(deals.loss_reason_group, 'unknown') as reason_group, deals.amount_base, 1 as is_loss,
        case when {{ says_answers("split_part(deals.deal_key, ':', 1)") }} then {{ days_between('last_contacts.last_contact_date', 'deals.booking_date') }} end as quiet_days,
        {{ says_answers("split_part(deals.deal_key, ':', 1)") }} and last_contacts.deal_key is null as is_never_contacted
    from {{ ref('int_kpi__deals') }} as deals
    left join last_contacts on deals.deal_key = last_contacts.deal_key
    where deals.is_rate_deal and deals.life_state = 'lost'
),

other_exits as (
    select
        {{ local_date('visits.exited_at') }} as exit_date, versions.owner_key, coalesce(owners.name, owners.email, versions.owner_key) as owner,
        versions.team, deals.source, visits.pipeline, deals.order_type, deals.product, deals.segment, deals.industry, deals.country,
        deals.deal_size_band,
        coalesce(visits.stage, 'unknown') as stage, 'unknown' as reason_group, deals.amount_base, 0 as is_loss,
        cast(null as bigint) as quiet_days, false as is_never_contacted
    from (
        select *, visit_number = max(visit_number) over (partition by deal_key) as is_last from {{ ref('deal_stage_visits') }}
    ) as visits
    inner join {{ ref('int_kpi__deals') }} as deals on visits.deal_key = deals.deal_key and deals.is_rate_deal
    left join {{ ref('deal_versions') }} as versions
        on visits.deal_key = versions.deal_key and visits.exited_at >= versions.valid_from
        and (visits.exited_at < versions.valid_to or versions.valid_to is null)
    left join {{ ref('owners') }} as owners on versions.owner_key = owners.owner_key
    where visits.exited_at is not null
        -- the exit that made the deal a loss is in losses already
        and not (deals.life_state = 'lost' and visits.exit_kind in ('lost', 'disqualified') and visits.is_last)
),

exits as (
    select * from losses
    union all
    select * from other_exits
),

grouped as (
    select
        period_grain, period_start, dimension, member_key, member, stage, reason_group,
        sum(is_loss) as lost_count,
        sum(amount_base) filter (where is_loss = 1) as lost_value,
        count(*) as exit_count,
        {{ median_of('quiet_days', 'is_loss = 1') }} as quiet_days_median,
        count(*) filter (where is_never_contacted) as never_contacted_count
    from {{ cut('exits', 'exit_date', ['stage', 'reason_group', 'amount_base', 'is_loss', 'quiet_days', 'is_never_contacted']) }} as members
    group by period_grain, period_start, dimension, member_key, member, stage, reason_group
),

shared as (
    select
        grouped.*,
        sum(exit_count) over (partition by period_grain, period_start, dimension, member_key, stage) as stage_exit_count,
        sum(lost_count) over member_period as member_lost_count,
        sum(case when reason_group in ('unknown', 'other') then lost_count else 0 end) over member_period as unexplained_count,
        sum(case when reason_group = 'unknown' then lost_count else 0 end) over member_period as missing_count
    from grouped
    window member_period as (partition by period_grain, period_start, dimension, member_key)
),

stays as (
    select period_grain, period_start, dimension, member_key, stage, sum(deal_days) as deal_days
    from {{ ref('stage_flow') }}
    group by period_grain, period_start, dimension, member_key, stage
)

select
    cast(shared.period_grain as string) as period_grain,
    cast(shared.period_start as date) as period_start,
    cast(shared.dimension as string) as dimension,
    cast(shared.member_key as string) as member_key,
    cast(shared.member as string) as member,
    cast(shared.stage as string) as lost_from_stage,
    cast(reason_group as string) as loss_reason_group,
    cast(lost_count as bigint) as lost_count,
    cast(coalesce(lost_value, 0) as decimal(18, 2)) as lost_value,
    cast(case when shared.stage <> 'unknown' then lost_count / nullif(cast(stage_exit_count as double), 0) end as double) as exit_share,
    cast(stage_exit_count as bigint) as stage_exit_count,
    cast(unexplained_count / nullif(cast(member_lost_count as double), 0) as double) as unexplained_share,
    cast(missing_count / nullif(cast(member_lost_count as double), 0) as double) as missing_share,
    cast(unexplained_count * 5 > member_lost_count as boolean) as is_reason_warning,
    cast(quiet_days_median as double) as quiet_days_median,
    cast(never_contacted_count as bigint) as never_contacted_count,
    cast(round((lost_count * 7 / nullif(stays.deal_days, 0)) * 1e9) / 1e9 as double) as loss_hazard_per_week
from shared
left join stays
    on shared.period_grain = stays.period_grain and shared.period_start is not distinct from stays.period_start
    and shared.dimension = stays.dimension and shared.member_key = stays.member_key and shared.stage = stays.stage
where lost_count > 0
