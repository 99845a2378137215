-- grain: one row per dimension and member of the open pipeline as of E
-- M31: the share of open-pipeline value whose decision maker was verified in the last 90 days. A deal on which nobody is marked as decision maker is not
-- covered. Deals without an amount are counted, and weigh nothing.
with named as (
    select
        links.deal_key,
        max(case when {{ elapsed_days('contacts.verified_at', as_of()) }} <= 90 and contacts.decay_status in ('verified', 'moved') then 1 else 0 end) as is_verified
    from {{ ref('deal_contacts') }} as links
    inner join {{ ref('contacts') }} as contacts on links.contact_key = contacts.contact_key
    where links.is_decision_maker and not contacts.is_removed
    group by links.deal_key
),

facts as (
    select deals.*, coalesce(deals.amount_base, 0) as value, named.deal_key is not null as is_named, coalesce(named.is_verified, 0) = 1 as is_verified
    from {{ ref('int_kpi__deals') }} as deals
    left join named on deals.deal_key = named.deal_key
    where deals.life_state = 'open'
),

counted as (
    select
        dimension, member_key, max(member) as member, count(*) as open_count, sum(value) as open_value,
        count(*) filter (where is_named) as named_count, sum(case when is_named then value else 0 end) as named_value,
        count(*) filter (where is_verified) as verified_count, sum(case when is_verified then value else 0 end) as verified_value
    from {{ cut_members('facts', ['value', 'is_named', 'is_verified']) }} as members
    group by dimension, member_key
)

select
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(member as string) as member,
    cast(open_count as bigint) as open_count,
    cast(open_value as decimal(18, 2)) as open_value,
    cast(named_count as bigint) as named_count,
    cast(named_value as decimal(18, 2)) as named_value,
    cast(verified_count as bigint) as verified_count,
    cast(verified_value as decimal(18, 2)) as verified_value,
    cast(verified_value / nullif(cast(open_value as double), 0) as double) as verified_share
from counted
