-- grain of match_domain_repair: one row per domain in punycode, or rare one that is one typing error away from a large mail provider
create or replace temp table match_domain_repair as
with used as (
    select split_part(mailbox, '@', 2) as domain, count(*) as records from $contacts where mailbox is not null group by 1
),

large as (
    select domain, records from used where list_contains($free_mail, domain) and length(domain) > 8
)

select used.domain as typo, arg_max(large.domain, (large.records, large.domain)) as domain
from used join large on abs(length(used.domain) - length(large.domain)) <= 1
where not list_contains($free_mail, used.domain)
    and used.records <= $typo_share * large.records
    and match_slip(used.domain, large.domain)
    and used.domain not in (select code from match_idn)
group by used.domain
union all
select code, domain from match_idn;

-- grain of match_text: one row per text that is read as words; a thousand people of one name, title or firm are folded once
create or replace temp table match_text as
select x.text, match_fold(x.text) as folded
from (
    select first_name as text from $contacts
    union select last_name from $contacts
    union select company_name from $contacts
    union select title from $contacts
    union select city from $contacts
) as x
where x.text is not null;

-- grain of match_name: one row per contact record, numbered by age and content, so that neither order nor key decides anything
create or replace temp table match_name as
with cut as (
    select
        record_key,
        created_at,
        firsts.folded as first_text,
        lasts.folded as last_text,
        contains(match_cut(first_name), ',') as is_first_turned,
        contains(match_cut(last_name), ',') as is_last_turned,
        case when contains(coalesce(first_name, last_name), ',')
            then match_fold(regexp_extract(match_cut(coalesce(first_name, last_name)), '^([^,]*),', 1)) end as before_comma,
        case when contains(coalesce(first_name, last_name), ',')
            then match_fold(regexp_extract(match_cut(coalesce(first_name, last_name)), ',(.*)$$', 1)) end as after_comma,
        mailbox,
        match_phone(phone) as phone,
        match_phone(mobile_phone) as mobile_phone,
        company_record_key,
        companies.folded as company_text,
        titles.folded as title_text,
        cities.folded as city_text
    from $contacts as c
    left join match_text as firsts on c.first_name = firsts.text
    left join match_text as lasts on c.last_name = lasts.text
    left join match_text as companies on c.company_name = companies.text
    left join match_text as titles on c.title = titles.text
    left join match_text as cities on c.city = cities.text
),

parted as (  -- "Lind, Anna" and "Anna Lind" in one field
    select
        * exclude (first_text, last_text),
        case
            when last_text is null and is_first_turned then after_comma
            when first_text is null and is_last_turned then after_comma
            when last_text is null and contains(match_untitled(first_text), ' ') then regexp_extract(match_untitled(first_text), '^(.*) [^ ]+$$', 1)
            else match_untitled(first_text) end as first_name,
        case
            when last_text is null and is_first_turned then before_comma
            when first_text is null and is_last_turned then before_comma
            when last_text is null then nullif(regexp_extract(match_untitled(first_text), ' ([^ ]+)$$', 1), '')
            else last_text end as last_name
    from cut
),

cleaned as (
    select
        parted.* exclude (first_name, last_name),
        case when not list_contains($no_names, first_name) then first_name end as first_name,
        case when not list_contains($no_names, last_name) then last_name end as last_name,
        split_part(mailbox, '@', 1) as raw_local,
        case
            when split_part(mailbox, '@', 2) = 'googlemail.com' then 'gmail.com'
            else coalesce(r.domain, split_part(mailbox, '@', 2)) end as domain
    from parted
    left join match_domain_repair as r on split_part(mailbox, '@', 2) = r.typo
)

select
    hash(first_name, last_name, mailbox, phone, mobile_phone, company_text, title_text, city_text, company_record_key is null) as content,
    row_number() over (order by created_at nulls last, content, record_key)::integer as id,
    cleaned.*,
    split_part(first_name, ' ', 1) as given,
    coalesce(last_name is null and (first_name is null or list_contains($role_words, first_name)), false) as is_nameless,
    case when domain = 'gmail.com' then replace(split_part(raw_local, '+', 1), '.', '') else split_part(raw_local, '+', 1) end as local_part
from cleaned;

drop table $contacts;
drop table match_text;

create or replace temp table match_given as  -- one row per first given name: its sound, the name it is short for, how many carry it
select n.given, match_sound(n.given) as sound, coalesce(k.formal, match_sound(n.given)) as formal, n.records
from (select given, count(*) as records from match_name where given is not null and not is_nameless group by given) as n
left join match_formal as k on n.given = k.nickname;

create or replace temp table match_family as
select last_name, match_sound(last_name) as sound from (select distinct last_name from match_name where last_name is not null);

-- grain of match_placed: as match_name, with the company that each belongs to; a domain that is a slip of its company's is repaired
create or replace temp table match_placed as
with placed as (  -- a company is known by the key of its first record: a number would change with every company before it
    select c.record_key, c.name, c.domain, hash(o.record_key) as cluster
    from match_company as c
    join match_company_cluster as k on c.id = k.id
    join match_company as o on o.id = k.cluster + 1
),

by_key as (select record_key, cluster from placed),

by_domain as (  -- subsidiaries on one domain: the domain alone does not say which
    select domain, any_value(cluster) as cluster
    from placed where domain is not null group by domain having count(distinct cluster) = 1
),

by_name as (
    select name, any_value(cluster) as cluster
    from placed where name is not null group by name having count(distinct cluster) = 1
),

known_domains as (select cluster, domain from placed where domain is not null),

used_domains as (  -- what a company's people write, for companies whose record has no domain
    select by_key.cluster, n.domain, count(*) as records
    from match_name as n join by_key on n.company_record_key = by_key.record_key
    where n.domain is not null and not list_contains($free_mail, n.domain)
    group by all
),

own_domain as (
    select cluster, arg_max(domain, (weight, domain)) as domain
    from (
        select cluster, domain, 1000000 as weight from known_domains
        union all select cluster, domain, records from used_domains where records > 1
    )
    group by cluster
),

company_texts as (
    select company_text, match_company_core(company_text) as words
    from (select distinct company_text from match_name where company_text is not null)
),

named as (
    select n.*, x.words, array_to_string(x.words, '') as company, list_contains($free_mail, n.domain) as is_free
    from match_name as n left join company_texts as x on n.company_text = x.company_text
),

owned as (
    select
        n.*,
        coalesce(by_key.cluster, by_domain.cluster, by_name.cluster) as company_id,
        o.domain as own_domain,
        case when n.is_free or n.domain = o.domain then false else match_slip(n.domain, o.domain) end as is_slip
    from named as n
    left join by_key on n.company_record_key = by_key.record_key
    left join by_domain on not n.is_free and n.domain = by_domain.domain
    left join by_name on n.company = by_name.name
    left join own_domain as o on coalesce(by_key.cluster, by_domain.cluster, by_name.cluster) = o.cluster
)

select
    * exclude (domain, company_record_key, company_text, own_domain, is_slip),
    case when is_slip and length(own_domain) >= 7 then own_domain else domain end as domain,
    case when is_free or domain is null or is_slip then own_domain else domain end as work_domain
from owned;

-- grain of match_contact: one row per contact record, with all that a comparison reads
create or replace temp table match_contact as
with joined as (
    select
        n.id,
        n.record_key,
        n.content,
        n.created_at,
        case when not n.is_nameless then n.first_name end as first_name,
        case when not n.is_nameless then n.given end as given,
        case when not n.is_nameless then g.sound end as given_sound,
        case when not n.is_nameless then g.formal end as formal,
        n.last_name,
        f.sound as last_sound,
        n.local_part || '@' || n.domain as mailbox,
        n.local_part,
        regexp_replace(n.local_part, '[^\p{L}]', '', 'g') as letters,
        string_split(regexp_replace(n.local_part, '[^\p{L}]+', '.', 'g'), '.') as parts,
        n.domain,
        n.is_free,
        coalesce(list_contains($role_words, regexp_replace(n.local_part, '[^\p{L}]', '', 'g')), false) as is_role,
        n.phone,
        n.mobile_phone,
        n.is_nameless,
        n.company,
        n.words as company_words,
        n.company_id,
        n.work_domain,
        coalesce(t.role, n.title_text) as title,
        coalesce(c.city, n.city_text) as city
    from match_placed as n
    left join match_given as g on n.given = g.given
    left join match_family as f on n.last_name = f.last_name
    left join match_title as t on n.title_text = t.title
    left join match_city_name as c on n.city_text = c.name
),

mailboxes as (
    select mailbox, count(distinct last_sound) > $shared_mailbox_names as is_shared
    from joined where mailbox is not null group by mailbox
),

phones as (  -- people, counted by initials: two spellings of one name are one
    select phone, count(distinct left(given_sound, 1) || left(last_sound, 1)) as people
    from (select phone, given_sound, last_sound from joined union all select mobile_phone, given_sound, last_sound from joined)
    where phone is not null group by phone
),

switchboards as (select distinct phone from match_company where phone is not null),

givens as (select formal, count(*) as records from joined where formal is not null group by formal),

families as (select last_sound, count(*) as records from joined where last_sound is not null group by last_sound),

firm_namesakes as (  -- a firm that numbers an address has two people of the name
    select work_domain, formal, last_sound
    from joined
    where not is_free and domain = work_domain and formal is not null and last_sound is not null
    group by all
    having count(distinct local_part) filter (where regexp_matches(local_part, '[0-9]$$')) > 0
)

select
    j.* exclude (company_words),
    coalesce(m.is_shared, false) as is_shared,
    case when not j.is_free then j.domain end as corporate_domain,
    coalesce(p.people, 0)::integer as phone_people,
    s.phone is not null as is_switchboard,
    j.company_words[1] as company_word,
    match_domain_name(case when not j.is_free then j.domain end) as domain_name,
    w.formal is not null as has_firm_namesake,
    coalesce(gn.records, 0)::integer as given_records,
    coalesce(fn.records, 0)::integer as family_records
from joined as j
left join mailboxes as m on j.mailbox = m.mailbox
left join phones as p on j.phone = p.phone
left join switchboards as s on j.phone = s.phone
left join givens as gn on j.formal = gn.formal
left join families as fn on j.last_sound = fn.last_sound
left join firm_namesakes as w on j.work_domain = w.work_domain and j.formal = w.formal and j.last_sound = w.last_sound;

drop table match_name;
drop table match_placed;
drop table match_given;
drop table match_family;
