-- grain: one row per period grain (week, month), period of the last 24 months, close window, dimension and member with pipeline in it
-- M07, the waterfall: opening + entries + increased - decreased + fx - exits = closing, to the cent (I02), and the closing of a period is the
-- opening of the next one of the same window (I01). Scope: all open deals of sales pipelines with a close date in the window. Opening and
-- closing are counted from the stock, the buckets from the deals that changed. A deal that changed hands in scope leaves one member as
-- transferred_out and enters the other as transferred_in; its close is credited to who closed it; the company has no transfers.
-- Created and gone again within a period: no line. Changed twice: nets out.
{%- set entries = ['created', 'reopened', 'pulled_in', 'pushed_in', 'transferred_in', 'restored'] %}
{%- set exits = ['won', 'lost', 'merged', 'removed', 'pushed_out', 'pulled_out', 'transferred_out'] %}
{%- set keys = ['period_grain', 'from_date', 'close_window', 'dimension', 'member_key'] %}
with sides as (
    select
        moves.*, dimensions.dimension,
        {{ cut_member('key', 'dimensions.dimension', '_0') }} as member_key_0, {{ cut_member('label', 'dimensions.dimension', '_0') }} as member_0,
        {{ cut_member('key', 'dimensions.dimension', '_1') }} as member_key_1, {{ cut_member('label', 'dimensions.dimension', '_1') }} as member_1
    from {{ ref('int_kpi__deal_moves') }} as moves
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
        case when is_handed_over then 'transferred_out' else exit_kind end as exit_kind, is_round_trip
    from handed where was_in
    union all
    select
        {{ keys[:4] | join(', ') }}, member_key_1, member_1, value_1, 0, 0, is_booked_in_window,
        case when is_handed_over then 'transferred_in' else entry_kind end, exit_kind, is_round_trip and not was_in
    from handed where is_handed_over or not was_in
),

buckets as (
    select
        {{ keys | join(', ') }}, max(member) as member,
        {%- for bucket in entries %}
        sum(case when entry_kind = '{{ bucket }}' then value_1 else 0 end) as {{ bucket }},
        {%- endfor %}
        {%- for bucket in exits %}
        sum(case when exit_kind = '{{ bucket }}' then value_1 else 0 end) as {{ bucket }},
        {%- endfor %}
        sum(greatest(change, 0)) as increased, sum(greatest(-change, 0)) as decreased, sum(rate_change) as fx,
        sum(case when exit_kind = 'won' and is_booked_in_window then value_1 else 0 end) as won_dated_in_window,
        sum(case when is_round_trip then 1 else 0 end) as round_trip_count
    from steps
    group by {{ keys | join(', ') }}
),

ends as (
    select {{ keys | join(', ') }}, member, opening, closing from {{ ref('int_kpi__window_stocks') }} where opening <> 0 or closing <> 0
),

joined as (
    select
        {%- for key in keys %}
        coalesce(ends.{{ key }}, buckets.{{ key }}) as {{ key }},
        {%- endfor %}
        coalesce(ends.member, buckets.member) as member, coalesce(ends.opening, 0) as opening, coalesce(ends.closing, 0) as closing,
        {%- for bucket in entries + exits + ['increased', 'decreased', 'fx', 'won_dated_in_window', 'round_trip_count'] %}
        coalesce(buckets.{{ bucket }}, 0) as {{ bucket }}{{ ',' if not loop.last }}
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
    {%- for bucket in entries + ['increased', 'decreased', 'fx'] + exits %}
    cast(joined.{{ bucket }} as decimal(18, 2)) as {{ bucket }},
    {%- endfor %}
    cast(joined.closing as decimal(18, 2)) as closing,
    cast(joined.won_dated_in_window as decimal(18, 2)) as won_dated_in_window,
    cast(joined.won - joined.won_dated_in_window as decimal(18, 2)) as won_dated_elsewhere,
    cast(joined.round_trip_count as bigint) as round_trip_count
from joined
inner join {{ ref('int_kpi__change_windows') }} as windows
    on joined.period_grain = windows.period_grain and joined.from_date = windows.from_date and joined.close_window = windows.close_window
