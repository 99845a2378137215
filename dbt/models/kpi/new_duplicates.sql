-- grain: one row per local day, entry channel and owner with a contact record made: how many were duplicates of an older one
-- M30, new duplicates by day: of records alive as of E, so a duplicate that was merged since is gone from its day.
select
    cast(date || '>' || entry_channel || '>' || coalesce(owner_key, 'unknown') as string) as row_key,
    cast(date as date) as date,
    cast(entry_channel as string) as entry_channel,
    cast(coalesce(owner_key, 'unknown') as string) as owner_key,
    cast(max(coalesce(owner, 'unknown')) as string) as owner,
    cast(count(*) as bigint) as contact_count,
    cast(count(*) filter (where is_duplicate) as bigint) as duplicate_count,
    cast(sum(waiting_count) as bigint) as review_pair_count
from {{ ref('int_kpi__contact_records') }}
group by date, entry_channel, owner_key
