-- grain: one row per contact record and key value; two records are compared when they share a value that is not over-full
-- each narrower key covers for the wider one above it where that is over-full
create or replace temp table match_key as
with names as (
    select id, formal as name from $keyed_contacts where formal is not null
    union all select id, last_sound from $keyed_contacts where last_sound is not null
),

whole as (  -- both names in either order, and the names that an address spells
    select id, least(formal, last_sound) || ' ' || greatest(formal, last_sound) as name
    from $keyed_contacts where formal is not null and last_sound is not null
    union all
    select id, least(match_sound(parts[1]), match_sound(parts[2])) || ' ' || greatest(match_sound(parts[1]), match_sound(parts[2]))
    from $keyed_contacts where not is_role and length(parts) = 2 and length(parts[1]) > 1 and length(parts[2]) > 1
)

select kind, hash(kind, value, detail) as value, id
from (
    select id, 'mailbox' as kind, mailbox as value, '' as detail from $keyed_contacts
    union all select n.id, 'mailbox and name', n.name, c.mailbox from names as n join $keyed_contacts as c on n.id = c.id
    union all select id, 'local part', local_part, '' from $keyed_contacts where not is_role and length(local_part) >= $local_part_shortest
    union all select id, 'phone', phone, '' from $keyed_contacts
    union all select id, 'phone', mobile_phone, '' from $keyed_contacts where mobile_phone is distinct from phone
    union all select n.id, 'phone and name', n.name, c.phone from names as n join $keyed_contacts as c on n.id = c.id
    union all select n.id, 'phone and name', n.name, c.mobile_phone from names as n join $keyed_contacts as c on n.id = c.id
    where c.mobile_phone is distinct from c.phone
    union all select n.id, 'domain and name', n.name, c.work_domain from names as n join $keyed_contacts as c on n.id = c.id
    union all select n.id, 'company and name', n.name, c.company_id::varchar from names as n join $keyed_contacts as c on n.id = c.id
    union all select n.id, 'company name and name', n.name, c.company from names as n join $keyed_contacts as c on n.id = c.id
    union all select id, 'letters at a domain', letters, domain from $keyed_contacts where not is_role and length(letters) > 1
    union all select id, 'initials at a domain', left(given_sound, 1) || left(last_sound, 2), work_domain from $keyed_contacts
    union all select id, 'initials at a company', left(given_sound, 1) || left(last_sound, 2), company_id::varchar from $keyed_contacts
    union all select id, 'full name', name, '' from whole
    union all select w.id, 'full name and company', w.name, c.company_id::varchar from whole as w join $keyed_contacts as c on w.id = c.id
    union all select w.id, 'full name and domain', w.name, c.work_domain from whole as w join $keyed_contacts as c on w.id = c.id
    union all select w.id, 'full name and city', w.name, c.city from whole as w join $keyed_contacts as c on w.id = c.id
    union all select id, 'start of names and city', formal || ' ' || left(last_sound, 3), city from $keyed_contacts
    union all select id, 'last name, title and city', last_sound || ' ' || title, city from $keyed_contacts
)
where value is not null and detail is not null;
