-- grain of match_now: one row per record, with a hash of all that its keys, its levels and its rulings come from
create or replace temp table match_now as
with ruled as (
    select record_key, hash(string_agg(other_key || ' ' || ruling, ',' order by other_key, ruling)) as rulings
    from (
        select left_key as record_key, right_key as other_key, ruling from match_ruling
        union all select right_key, left_key, ruling from match_ruling
    )
    group by record_key
)

select r.id, r.record_key, hash($seen, u.rulings) as seen
from $records as r left join ruled as u on r.record_key = u.record_key;

-- grain of match_same: one row per record that is as the last run saw it; a number stands for one version of a record
create or replace temp table match_same as
select n.id, k.number, k.is_alone
from match_now as n join $memory.${thing}_record as k on n.record_key = k.record_key and n.seen = k.seen;

create or replace temp table match_gone as
select number from $memory.${thing}_record except select number from match_same;

create or replace temp table match_new as
select n.id, n.record_key, n.seen, (
    row_number() over (order by n.id) + coalesce((select max(number) from $memory.${thing}_record), 0)
)::integer as number
from match_now as n where n.id not in (select id from match_same);

-- the new ones as the keys read them, under their numbers
create or replace temp table match_new_record as
select r.* replace (n.number as id) from $records as r join match_new as n on r.id = n.id;

drop table match_now;
