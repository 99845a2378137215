{{ config(materialized=intermediate()) }}
-- grain: one row per deal, field and interval of local days [from_date, to_date) at whose ends the field holds one value
select deal_key, field, value, first_date as from_date, end_date as to_date, is_reconstructed
from {{ ref('deal_field_versions') }}
where end_date is null or first_date < end_date
