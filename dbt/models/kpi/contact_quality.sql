-- grain: one row per period grain, period (of the local day on which the record was made), dimension and member with a contact record
-- M30-M32: duplicate rate = (contacts - clusters) / contacts. A contact counts once, where its oldest living record stands; the others are duplicates
-- where and when they were made, so that periods and parts sum to the company. Period `all` is the rate of the stock.
-- Decay, fill and match are today's, of the contacts that were made in the period.
{%- set facts = [
    'is_duplicate', 'waiting_count', 'entry_channel', 'is_decayed', 'field_count', 'filled_count', 'has_company', 'is_matched'
] %}
with counted as (
    select
        period_grain, period_start, dimension, member_key, max(member) as member, count(*) as contact_count,
        count(*) filter (where is_duplicate) as duplicate_count, sum(waiting_count) as review_pair_count,
        count(*) filter (where is_decayed) as decayed_count, sum(field_count) as field_count, sum(filled_count) as filled_count,
        count(*) filter (where has_company) as company_contact_count, count(*) filter (where is_matched) as matched_count
    from {{ cut(ref('int_kpi__contact_records'), 'date', facts, more=['entry_channel']) }} as members
    where dimension not in ('order_type', 'product', 'deal_size_band', 'pipeline')
    group by period_grain, period_start, dimension, member_key
)

select
    {{ cut_columns() }},
    cast(contact_count as bigint) as contact_count,
    cast(contact_count - duplicate_count as bigint) as cluster_count,
    cast(duplicate_count as bigint) as duplicate_count,
    cast(duplicate_count / nullif(cast(contact_count as double), 0) as double) as duplicate_rate,
    cast(review_pair_count as bigint) as review_pair_count,
    cast(decayed_count as bigint) as decayed_count,
    cast(field_count as bigint) as field_count,
    cast(filled_count as bigint) as filled_count,
    cast(filled_count / nullif(cast(field_count as double), 0) as double) as fill_rate,
    cast(company_contact_count as bigint) as company_contact_count,
    cast(matched_count as bigint) as matched_count,
    cast(matched_count / nullif(cast(company_contact_count as double), 0) as double) as match_rate
from counted
