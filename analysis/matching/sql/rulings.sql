-- grain of match_pair_ruling: one row per ruled pair of these records, a < b
create or replace temp table match_pair_ruling as
select least(x.id, y.id) as a, greatest(x.id, y.id) as b, any_value(r.ruling) as ruling
from match_ruling as r
join $records as x on r.left_key = x.record_key
join $records as y on r.right_key = y.record_key
where x.id <> y.id
group by all;
