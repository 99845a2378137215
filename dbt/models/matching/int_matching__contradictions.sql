-- grain: one row per pair of records whose ruling cannot be true together with others: none of them was followed
select left_key, right_key, explanation from {{ matching_results() }} where result = 'contradictions'
