{{ config(materialized=intermediate()) }}
-- grain: one row per source and its own word for a kind of order; a word given twice decides once, or deals would be counted twice
select source, lower(trim(value)) as value, min(order_type) as order_type
from {{ ref('order_type_map') }}
group by source, lower(trim(value))
