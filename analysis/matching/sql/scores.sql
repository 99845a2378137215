-- grain of match_pattern_score: one row per combination of levels that occurs: a few thousand, however many pairs there are
create or replace temp table match_pattern_score as
with patterns as (select distinct $features from match_level),

held as (select *, $hold as hold from patterns)

select
    held.*,
    $points,
    $scores
from held
$joins;

-- grain of match_scored: one row per pair that is worth a look
create or replace temp table match_scored as
select match_level.a, match_level.b, s.*, r.ruling
from match_level
join match_pattern_score as s using ($features)
left join match_pair_ruling as r on match_level.a = r.a and match_level.b = r.b
where $worth or r.ruling is not null;
