{{ config(meta={'dagster': {'ref': {'name': 'deals'}}}) }}
-- a decided deal was closed at some instant (but for a sheet's deal without any closing date), an open one was not; acceptance never
-- lies after the closing
select deal_key, life_state, sao_at, closed_at
from {{ ref('deals') }}
where (life_state in ('won', 'lost') and closed_at is null and (source <> 'spreadsheets' or close_date is not null))
    or (life_state not in ('won', 'lost') and closed_at is not null)
    or (life_state in ('won', 'lost') and sao_at > closed_at and source <> 'spreadsheets')
