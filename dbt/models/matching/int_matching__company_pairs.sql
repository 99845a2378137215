-- grain: one row per pair of company records that the matching engine found worth showing
select
    left_key, right_key, score, band, is_joined, refusal, ruling, points_name, points_domain, points_legal_id, points_phone, points_place, explanation
from {{ matching_results() }}
where result = 'company_pairs'
