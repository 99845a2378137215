-- grain: one row per period grain, period (of the local day on which the record was made), dimension and member with a contact record
-- M30: duplicate rate = (contacts - clusters) / contacts. A contact counts once, where its oldest living record stands; the others are duplicates
-- where and when they were made, so that periods and parts sum to the company. Period `all` is the rate of the stock.
with counted as (
    select
        period_grain, period_start, dimension, member_key, max(member) as member, count(*) as contact_count,
        count(*) filter (where is_duplicate) as duplicate_count, sum(waiting_count) as review_pair_count
    from {{ cut(ref('int_kpi__contact_records'), 'date', ['is_duplicate', 'waiting_count', 'entry_channel'], more=['entry_channel']) }} as members
    where dimension not in ('order_type', 'product', 'deal_size_band', 'pipeline')
    group by period_grain, period_start, dimension, member_key
)

select
    {{ cut_columns() }},
    cast(contact_count as bigint) as contact_count,
    cast(contact_count - duplicate_count as bigint) as cluster_count,
    cast(duplicate_count as bigint) as duplicate_count,
    cast(duplicate_count / nullif(cast(contact_count as double), 0) as double) as duplicate_rate,
    cast(review_pair_count as bigint) as review_pair_count
from counted
