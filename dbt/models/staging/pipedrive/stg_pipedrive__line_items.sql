-- grain: one row per product of a deal, newest version as of (E, K); deleted and disabled ones are kept and say so in `deletion`
-- The sum is that of one billing period; the vendor knows neither the cost of the day of sale nor the value over the term.
{%- set months = {'annually': 12, 'semi-annually': 6, 'quarterly': 3, 'monthly': 1} %}
with versions as (
    {{ pd_typed('deal_products', [
        'deal_id', 'name', 'discount_type', 'billing_frequency', 'billing_frequency_cycles', 'billing_start_date', 'is_enabled', 'add_time'
    ], ['quantity', 'item_price', 'sum', 'discount']) }}
)

select
    record_id as line_item_id, {{ filled('r.deal_id') }} as deal_id, {{ filled('r.name') }} as name,
    {{ money('cast(r.quantity as string)') }} as quantity, {{ unit_money('cast(r.item_price as string)') }} as price, {{ money('cast(r.sum as string)') }} as amount,
    cast(null as decimal(18, 2)) as tcv, case when r.discount_type = 'amount' then nullif({{ unit_money('cast(r.discount as string)') }}, 0) end as unit_discount,
    case when coalesce(r.discount_type, 'percentage') <> 'amount' then nullif({{ money('cast(r.discount as string)') }}, 0) end as discount_percent,
    cast(null as decimal(18, 6)) as unit_cost, {{ vendor_date('r.billing_start_date', "'UTC'") }} as billing_start_date,
    cast(case r.billing_frequency
        {%- for frequency, length in months.items() %}
        when '{{ frequency }}' then {{ length }} * try_cast(r.billing_frequency_cycles as decimal(9, 2))
        {%- endfor %}
        when 'weekly' then try_cast(r.billing_frequency_cycles as decimal(9, 2)) * 12 / 52
    end as decimal(18, 2)) as term_months,
    case r.billing_frequency when 'one-time' then null when 'semi-annually' then 'per_six_months' else {{ filled('r.billing_frequency') }} end as billing_frequency,
    {{ vendor_instant('r.add_time') }} as created_at, coalesce(deletion, case when r.is_enabled = 'false' then 'removed' end) as deletion, known_from
from versions
where coalesce({{ vendor_instant('r.add_time') }}, {{ as_of() }}) <= {{ as_of() }}
