-- grain: one row per pair of records that sales ops has ruled on, as the matching engine reads it
select left_key, right_key, ruling
from {{ ref('int_matching__ruling_lines') }}
where state = 'newest'
