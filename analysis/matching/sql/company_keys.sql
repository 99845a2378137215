-- grain: one row per company record and key value; two records are compared when they share a value that is not over-full
create or replace temp table match_key as
select kind, hash(kind, value, detail) as value, id
from (
    select id, 'legal id' as kind, legal_id as value, '' as detail from $keyed_companies
    union all select id, 'domain', domain, '' from $keyed_companies
    union all select id, 'name', name, '' from $keyed_companies where length(name) > 2
    union all select id, 'name', domain_name, '' from $keyed_companies where length(domain_name) > 2
    union all select id, 'sound', sound, '' from $keyed_companies where length(sound) > 2
    union all select id, 'sorted name', sorted_name, '' from $keyed_companies
    union all select id, 'phone', phone, '' from $keyed_companies
    union all select id, 'start of name and phone', left(name, 2), phone from $keyed_companies
    union all select id, 'start of name and city', left(sound, 3), city from $keyed_companies
    union all select id, 'end of name and city', right(sound, 5), city from $keyed_companies
    union all select id, 'first word', word, '' from $keyed_companies where length(word) > 3
    union all select id, 'first word and city', word, city from $keyed_companies
    union all select id, 'start of name', left(sound, 7), '' from $keyed_companies where length(sound) >= 7
    union all select id, 'end of name', right(sound, 8), '' from $keyed_companies where length(sound) >= 8
)
where value is not null and detail is not null;
