-- word lists that are joined; short ones are list literals in the text
create or replace temp table match_city_name as select name, city from read_csv('$words/city_names.csv', header = true, all_varchar = true);
create or replace temp table match_title as select match_fold(title) as title, match_fold(role) as role from read_csv('$words/titles.csv', header = true, all_varchar = true);
create or replace temp table match_country_word as select word, code from read_csv('$words/countries.csv', header = true, all_varchar = true);

create or replace temp table match_nickname as
select distinct match_fold(name) as formal, match_fold(nickname) as nickname, 1 as source
from read_csv('$words/nordic_names.csv', header = true, all_varchar = true)
union
select distinct match_fold(name1), match_fold(name2), 2 from read_csv('$english_names', header = true, all_varchar = true);

-- the one name that keys use; a name may be short for several: pairs are compared with all of them
create or replace temp table match_formal as
select nickname, match_sound(arg_min(formal, (source, formal))) as formal from match_nickname where nickname <> formal group by nickname;

create or replace temp table match_variant as
select formal as name, nickname as other from match_nickname
union select nickname, formal from match_nickname
union select x.nickname, y.nickname from match_nickname as x join match_nickname as y on x.formal = y.formal;
