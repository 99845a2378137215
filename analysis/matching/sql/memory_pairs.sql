-- match_key holds the keys of new records, by number. Pairs of two records stay as they were when neither is new and
-- no value of either has crossed the cap; the other pairs are found here as pairs.sql finds them, and no others.
-- grain of match_moved: one row per value that won or lost a record since the last run
create or replace temp table match_moved as
with changes as (
    select value, kind, 1 as won, 0 as lost from match_key
    union all
    select value, null, 0, 1 from $memory.${thing}_key where number in (select number from match_gone)
),

moved as (
    select value, any_value(kind) filter (where kind is not null) as kind, sum(won) - sum(lost) as gain
    from changes group by value
),

held as (
    select value, count(*) as records from $memory.${thing}_key where value in (select value from moved) group by value
)

select m.value, coalesce(f.kind, m.kind) as kind, coalesce(h.records, 0) as before, before + m.gain as after
from moved as m
left join held as h on m.value = h.value
left join $memory.${thing}_full as f on m.value = f.value;

create or replace temp table match_touched as
select distinct k.number
from $memory.${thing}_key as k join match_moved as m on k.value = m.value
where ((m.before > $cap) <> (m.after > $cap) or (greatest(m.before, m.after) > $cap and m.kind in ($narrowest)))
    and k.number not in (select number from match_gone);

create or replace temp table match_fresh as
select id, number from match_new
union all
select id, number from match_same where number in (select number from match_touched);

-- grain of match_full: one row per over-full value
create or replace temp table match_full as
select value, kind, records from $memory.${thing}_full where value not in (select value from match_moved)
union all
select value, kind, after from match_moved where after > $cap;

create or replace temp table match_fresh_key as
select value, id as number from match_key
union all
select value, number from $memory.${thing}_key where number in (select number from match_touched);

-- grain of match_member: one row per record, kind and value of a value that a fresh record has
create or replace temp table match_member as
with members as (
    select value, number from $memory.${thing}_key
    where value in (select value from match_fresh_key) and number not in (select number from match_gone)
    union all
    select value, id from match_key
),

numbered as (select id, number from match_same union all select id, number from match_new),

fresh as (select id as fresh_id from match_fresh)

select m.value, n.id, f.fresh_id is not null as is_fresh, count(*) over (partition by m.value)::integer as records
from members as m
join numbered as n on m.number = n.number
left join fresh as f on n.id = f.fresh_id;

create or replace temp table match_pair as
select distinct least(x.id, y.id) as a, greatest(x.id, y.id) as b
from match_member as x join match_member as y on x.value = y.value and x.id <> y.id
where x.is_fresh and x.records <= $cap and y.records <= $cap
union
select a, b
from (
    select
        m.id as a, lead(m.id) over chain as b, m.is_fresh as is_a_fresh, lead(m.is_fresh) over chain as is_b_fresh
    from match_member as m join match_full as f on m.value = f.value
    where f.kind in ($narrowest)
    window chain as (partition by m.value order by m.id)
)
where a < b and (is_a_fresh or is_b_fresh)
union
select least(x.id, y.id) as a, greatest(x.id, y.id) as b
from match_ruling as r
join $records as x on r.left_key = x.record_key
join $records as y on r.right_key = y.record_key
where x.id <> y.id and (x.id in (select id from match_fresh) or y.id in (select id from match_fresh));

create or replace temp table match_dropped as
select kind, count(*) as dropped_values, sum(records)::bigint as records from match_full group by kind;

create or replace temp table match_uncompared as
select id from match_same where is_alone and number not in (select number from match_touched)
union all
(select id from match_fresh except select id from match_member where records <= $cap);

delete from $memory.${thing}_key where number in (select number from match_gone);
insert into $memory.${thing}_key select value, id from match_key;
create or replace table $memory.${thing}_full as from match_full;

drop table match_key;
drop table match_member;
drop table match_fresh_key;
