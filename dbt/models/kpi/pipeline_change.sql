-- grain: one row per period grain (week, month), period of the last 24 months, close window, dimension and member with pipeline in it
-- M07, the waterfall: opening + entries + increased - decreased + fx - exits = closing, to the cent (I02), and the closing of a period is the
-- opening of the next one of the same window (I01). Scope: all open deals of sales pipelines with a close date in the window. Opening and
-- closing are counted from the stock, the buckets from the deals that changed. A deal that changed hands in scope leaves one member as
-- transferred_out and enters the other as transferred_in; its close is credited to who closed it; the company has no transfers.
-- Created and gone again within a period: no line. Changed twice: nets out. Each bucket has its deals counted (<bucket>_count), and they balance
-- alike. bulk_*: deals that somebody changed in the period together with more others than R20 allows, and what they moved in it, all in all.
{%- set entries = ['created', 'reopened', 'pulled_in', 'pushed_in', 'transferred_in', 'restored'] %}
{%- set exits = ['won', 'lost', 'merged', 'removed', 'pushed_out', 'pulled_out', 'transferred_out'] %}
{%- set moves = entries + ['increased', 'decreased', 'fx'] + exits %}
{%- set keys = ['period_grain', 'from_date', 'close_window', 'dimension', 'member_key'] %}
with bulk as (
    select distinct 'week' as period_grain, {{ week_start('changed_date') }} as from_date, deal_key from {{ ref('int_kpi__bulk_changes') }}
    union
    select distinct 'month', {{ month_start('changed_date') }}, deal_key from {{ ref('int_kpi__bulk_changes') }}
),

sides as (
    select
        moves.*, case when bulk.deal_key is null then 0 else 1 end as is_bulk, dimensions.dimension,
        {{ cut_member('key', 'dimensions.dimension', '_0') }} as member_key_0, {{ cut_member('label', 'dimensions.dimension', '_0') }} as member_0,
        {{ cut_member('key', 'dimensions.dimension', '_1') }} as member_key_1, {{ cut_member('label', 'dimensions.dimension', '_1') }} as member_1
    from {{ ref('int_kpi__deal_moves') }} as moves
    left join bulk on moves.period_grain = bulk.period_grain and moves.from_date = bulk.from_date and moves.deal_key = bulk.deal_key
    cross join {{ cut_dimension_rows() }} as dimensions
),

handed as (
    select *, was_in and member_key_0 <> member_key_1 and (is_in or exit_kind in ('won', 'lost')) as is_handed_over from sides
),

-- what the member who had it at the start sees of it, and what the one who has it at the end sees
steps as (
    select
        {{ keys[:4] | join(', ') }}, member_key_0 as member_key, member_0 as member, value_1, value_at_0 - value_0 as change, value_1 - value_at_0 as rate_change,
        is_booked_in_window, cast(null as string) as entry_kind,
        case when is_handed_over then 'transferred_out' else exit_kind end as exit_kind, is_round_trip, is_bulk
    from handed where was_in
    union all
    select
        {{ keys[:4] | join(', ') }}, member_key_1, member_1, value_1, 0, 0, is_booked_in_window,
        case when is_handed_over then 'transferred_in' else entry_kind end, exit_kind, is_round_trip and not was_in, is_bulk
    from handed where is_handed_over or not was_in
),

buckets as (
    select
        {{ keys | join(', ') }}, max(member) as member,
        {%- for kind, names in {'entry_kind': entries, 'exit_kind': exits}.items() %}
        {%- for bucket in names %}
        sum(case when {{ kind }} = '{{ bucket }}' then value_1 else 0 end) as {{ bucket }},
        sum(case when {{ kind }} = '{{ bucket }}' then 1 else 0 end) as {{ bucket }}_count,
        {%- endfor %}
        {%- endfor %}
        sum(case when change > 0 then 1 else 0 end) as increased_count, sum(case when change < 0 then 1 else 0 end) as decreased_count,
        sum(case when rate_change <> 0 then 1 else 0 end) as fx_count, sum(is_bulk) as bulk_count,
        sum(is_bulk * (
            case when entry_kind is null then 0 else value_1 end + change + rate_change - case when exit_kind is null then 0 else value_1 end
        )) as bulk_net_change,
        sum(greatest(change, 0)) as increased, sum(greatest(-change, 0)) as decreased, sum(rate_change) as fx,
        sum(case when exit_kind = 'won' and is_booked_in_window then value_1 else 0 end) as won_dated_in_window,
        sum(case when is_round_trip then 1 else 0 end) as round_trip_count
    from steps
    group by {{ keys | join(', ') }}
),

ends as (
    select {{ keys | join(', ') }}, member, opening, closing, opening_count, closing_count
    from {{ ref('int_kpi__window_stocks') }} where opening <> 0 or closing <> 0 or opening_count <> 0 or closing_count <> 0
),

joined as (
    select
        {%- for key in keys %}
        coalesce(ends.{{ key }}, buckets.{{ key }}) as {{ key }},
        {%- endfor %}
        coalesce(ends.member, buckets.member) as member, coalesce(ends.opening, 0) as opening, coalesce(ends.closing, 0) as closing,
        coalesce(ends.opening_count, 0) as opening_count, coalesce(ends.closing_count, 0) as closing_count,
        {%- for bucket in moves %}
        coalesce(buckets.{{ bucket }}, 0) as {{ bucket }}, coalesce(buckets.{{ bucket }}_count, 0) as {{ bucket }}_count,
        {%- endfor %}
        {%- for column in ['won_dated_in_window', 'round_trip_count', 'bulk_count', 'bulk_net_change'] %}
        coalesce(buckets.{{ column }}, 0) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from ends
    full join buckets
        on ends.period_grain = buckets.period_grain and ends.from_date = buckets.from_date and ends.close_window = buckets.close_window
        and ends.dimension = buckets.dimension and ends.member_key = buckets.member_key
)

select
    cast(joined.period_grain as string) as period_grain,
    cast(joined.from_date as date) as from_date,
    cast(windows.to_date as date) as to_date,
    cast(joined.close_window as string) as close_window,
    cast(windows.window_start as date) as window_start,
    cast(windows.window_end as date) as window_end,
    cast(joined.dimension as string) as dimension,
    cast(joined.member_key as string) as member_key,
    cast(joined.member as string) as member,
    cast(joined.opening as decimal(18, 2)) as opening,
    {%- for bucket in moves %}
    cast(joined.{{ bucket }} as decimal(18, 2)) as {{ bucket }},
    {%- endfor %}
    cast(joined.closing as decimal(18, 2)) as closing,
    cast(joined.won_dated_in_window as decimal(18, 2)) as won_dated_in_window,
    cast(joined.won - joined.won_dated_in_window as decimal(18, 2)) as won_dated_elsewhere,
    cast(joined.round_trip_count as bigint) as round_trip_count,
    {%- for name in ['opening'] + moves + ['closing'] %}
    cast(joined.{{ name }}_count as bigint) as {{ name }}_count,
    {%- endfor %}
    cast(joined.{{ entries | join(' + joined.') }} as decimal(18, 2)) as came_in,
    cast(joined.increased - joined.decreased + joined.fx as decimal(18, 2)) as revalued,
    cast(joined.{{ exits | join(' + joined.') }} as decimal(18, 2)) as went_out,
    cast(joined.closing - joined.opening as decimal(18, 2)) as net_change,
    cast(joined.bulk_count as bigint) as bulk_count,
    cast(joined.bulk_net_change as decimal(18, 2)) as bulk_net_change,
    cast(joined.closing - joined.opening - joined.bulk_net_change as decimal(18, 2)) as net_change_without_bulk
from joined
inner join {{ ref('int_kpi__change_windows') }} as windows
    on joined.period_grain = windows.period_grain and joined.from_date = windows.from_date and joined.close_window = windows.close_window
