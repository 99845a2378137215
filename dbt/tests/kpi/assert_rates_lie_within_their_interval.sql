{{ config(meta={'dagster': {'ref': {'name': 'win_rate'}}}) }}
select *
from {{ ref('win_rate') }}
where won_count + lost_count <> decided_count or decided_count < 1
    or not (win_rate_low between 0 and win_rate and win_rate_high between win_rate and 1)
