-- what this run saw, for the next one. Of the pairs those that can ever be worth a look: only the count of namesakes moves them.
delete from $memory.${thing}_pair where a in (select number from match_gone) or b in (select number from match_gone);
delete from $memory.${thing}_pair where a in (select number from match_fresh) or b in (select number from match_fresh);

insert into $memory.${thing}_pair
with numbered as (select id, number from match_same union all select id, number from match_new)

select x.number, y.number, $features
from match_pair as p
join match_level on p.a = match_level.a and p.b = match_level.b
join match_pattern_score as s using ($features)
join numbered as x on p.a = x.id
join numbered as y on p.b = y.id
left join match_lift as t on $lifted
left join match_pair_ruling as r on p.a = r.a and p.b = r.b
where $possible or r.ruling is not null;

delete from $memory.${thing}_record where number in (select number from match_gone);
update $memory.${thing}_record set is_alone = number in (
    select n.number from match_fresh as n join match_uncompared as u on n.id = u.id
)
where number in (select number from match_fresh);
insert into $memory.${thing}_record
select n.record_key, n.seen, n.number, n.id in (select id from match_uncompared) from match_new as n;
