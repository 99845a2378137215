{{ config(materialized=intermediate()) }}
-- grain: one row per customer of int_kpi__acquired_customers and dimension: the common ones and what M27 names besides
select *
from {{ cut_members(
    ref('int_kpi__acquired_customers'), ['is_matured', 'opening', 'closing', 'lived_days', 'has_lapsed'],
    more=['employees_band', 'discount_band', 'cycle_length_quartile', 'stages_skipped']
) }} as members
