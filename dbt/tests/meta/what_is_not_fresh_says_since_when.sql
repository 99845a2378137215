-- an object that once was read and now is stale, failed or not permitted names the instant since which every number from it is stale
select source, object, state, last_extract_at
from {{ ref('data_status') }}
where (state in ('stale', 'failed', 'not_permitted') and last_extract_at is not null and stale_since is null)
    or (state in ('fresh', 'empty', 'not_enabled', 'not_needed') and stale_since is not null)
