{{ config(meta={'dagster': {'ref': {'name': 'win_rate_cohort'}}}) }}
-- I07: accepted = won + lost + open + removed + merged in every row, and the rates lie in order
select period_grain, period_start, dimension, member_key, accepted_count, won_count, lost_count, open_count, removed_count, merged_count
from {{ ref('win_rate_cohort') }}
where accepted_count <> won_count + lost_count + open_count + removed_count + merged_count or lower_rate > upper_rate
    or closed_only_rate not between lower_rate - 1e-12 and upper_rate + 1e-12
