{{ config(meta={'dagster': {'ref': {'name': 'pipeline_change'}}}) }}
-- I02, in money and in deals: opening + entries + increased - decreased + fx - exits = closing, per member and in all; the company's own transfers come only from
-- pipelines that are not counted, so what members hand over balances (I10)
select
    period_grain, from_date, close_window, dimension, member_key, opening, closing,
    opening + created + reopened + pulled_in + pushed_in + transferred_in + restored + increased - decreased + fx
    - won - lost - merged - removed - pushed_out - pulled_out - transferred_out as sum_of_buckets
from {{ ref('pipeline_change') }}
where opening + created + reopened + pulled_in + pushed_in + transferred_in + restored + increased - decreased + fx
    - won - lost - merged - removed - pushed_out - pulled_out - transferred_out <> closing
    or won <> won_dated_in_window + won_dated_elsewhere
    or opening_count + created_count + reopened_count + pulled_in_count + pushed_in_count + transferred_in_count + restored_count
    - won_count - lost_count - merged_count - removed_count - pushed_out_count - pulled_out_count - transferred_out_count <> closing_count
    or came_in + revalued - went_out <> net_change
