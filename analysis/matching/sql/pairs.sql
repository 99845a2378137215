-- grain of match_pair: one row per pair of records that share a key value, a < b; over-full values are left out and counted
create or replace temp table match_value as
select value, any_value(kind) as kind, count(*)::integer as records from match_key group by value having count(*) > 1;

create or replace temp table match_full as select value, kind, records from match_value where records > $cap;

create or replace temp table match_dropped as
select kind, count(*) as dropped_values, sum(records)::bigint as records from match_full group by kind;

create or replace temp table match_live_key as
select match_key.value, match_key.id
from match_key join match_value on match_key.value = match_value.value
where match_value.records <= $cap;

create or replace temp table match_pair as
select distinct x.id as a, y.id as b
from match_live_key as x join match_live_key as y on x.value = y.value and x.id < y.id
union
-- one record copied fifty times overfills its narrowest keys: each is compared with the next
select a, b
from (
    select k.id as a, lead(k.id) over (partition by k.value order by k.id) as b
    from match_key as k join match_value as v on k.value = v.value
    where v.records > $cap and v.kind in ($narrowest)
)
where a < b
union
select least(x.id, y.id) as a, greatest(x.id, y.id) as b
from match_ruling as r
join $records as x on r.left_key = x.record_key
join $records as y on r.right_key = y.record_key
where x.id <> y.id;

-- nobody looked at a record all of whose values are over-full, or that has none
create or replace temp table match_uncompared as
select id from $records
except
select match_key.id from match_key left join match_value on match_key.value = match_value.value where coalesce(match_value.records, 1) <= $cap;

drop table match_key;
drop table match_value;
drop table match_live_key;
