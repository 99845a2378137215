-- levels of the pairs that stayed as they were; how many namesakes chance would bring is counted anew
insert into match_level
with numbered as (select id, number from match_same where number not in (select number from match_touched))

select x.id as a, y.id as b, $levels
from $memory.${thing}_pair as p
join numbered as x on p.a = x.number
join numbered as y on p.b = y.number
join $records as a on x.id = a.id
join $records as b on y.id = b.id;
