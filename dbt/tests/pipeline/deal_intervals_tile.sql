{{ config(meta={'dagster': {'ref': {'name': 'deal_versions'}}}) }}
-- intervals of a deal: no gap, no overlap, only the last one open, none empty
select deal_key, valid_from, valid_to, next_from
from (
    select deal_key, valid_from, valid_to, lead(valid_from) over (partition by deal_key order by valid_from nulls last) as next_from
    from {{ ref('deal_versions') }}
) as followed
where (valid_to is null and next_from is not null) or (valid_to is not null and next_from is null) or valid_to <> next_from or valid_from >= valid_to
