-- grain: one row per pair of contact records that the matching engine found worth showing
select
    left_key, right_key, merge_score, person_score, band, is_joined, is_same_person, refusal, ruling, points_email, points_phone, points_first_name,
    points_last_name, points_company, points_title, points_city, points_namesakes, points_cross, explanation
from {{ matching_results() }}
where result = 'contact_pairs'
