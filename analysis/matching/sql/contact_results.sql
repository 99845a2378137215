create or replace temp table ${into}_contact_clusters as
with groups as (
    select c.record_key, c.created_at, k.cluster, k.person from match_contact as c join match_contact_cluster as k on c.id = k.id
)

select
    record_key,
    first_value(record_key) over (partition by cluster order by created_at nulls last, record_key) as cluster_key,
    first_value(record_key) over (partition by person order by created_at nulls last, record_key) as person_key
from groups;

create or replace temp table ${into}_contact_pairs as
select
    least(x.record_key, y.record_key) as left_key,
    greatest(x.record_key, y.record_key) as right_key,
    s.merge_score,
    s.person_score,
    case
        when s.merge_score >= $automatic and o.refusal is null then 'automatic'
        when s.merge_score >= $review or s.ruling is not null then 'review'
        else 'related' end as band,
    o.is_joined,
    o.is_same_person,
    o.refusal,
    s.ruling,
    s.points_email,
    s.points_phone,
    s.points_first_name,
    s.points_last_name,
    s.points_company,
    s.points_title,
    s.points_city,
    s.points_namesakes,
    s.points_cross,
    concat_ws(
        '; ',
        'ruled: ' || s.ruling,
        case s.email
            when 'missing' then null
            when 'same mailbox' then 'same mailbox ' || x.mailbox
            when 'same shared mailbox' then 'same shared mailbox ' || x.mailbox
            when 'another company' then 'mailboxes at two companies (' || x.mailbox || ', ' || y.mailbox || ')'
            when 'same but for a number' then 'mailboxes the same but for a number (' || x.mailbox || ', ' || y.mailbox || ')'
            when 'another mailbox at the company' then 'another mailbox at ' || x.domain
            when 'two private' then 'two private mailboxes'
            when 'private and company' then 'a private and a company mailbox'
            else 'mailboxes ' || s.email || ' (' || x.mailbox || ', ' || y.mailbox || ')' end,
        case
            when s.first_name in ('neither is a person', 'one is not a person') then s.first_name
            when s.first_name = 'nickname' then 'first name ' || x.first_name || ' = ' || y.first_name
            when s.first_name = 'missing' then null
            when s.first_name = 'same' then 'same first name ' || x.first_name
            else 'first name ' || s.first_name || ' (' || x.first_name || ', ' || y.first_name || ')' end,
        case s.last_name
            when 'missing' then null
            when 'same' then 'same last name ' || x.last_name
            else 'last name ' || s.last_name || ' (' || x.last_name || ', ' || y.last_name || ')' end,
        case s.phone when 'missing' then null when 'same' then 'same phone (exclusive)' else 'phone: ' || s.phone end,
        case s.company
            when 'missing' then null
            when 'same record' then 'same company'
            when 'different' then 'different companies'
            else 'company: ' || s.company end,
        case when s.title <> 'missing' then s.title || ' title' end,
        case when s.city <> 'missing' then s.city || ' city' end,
        case when s.cross_evidence not in ('no address', 'nothing') then 'an address spells ' || s.cross_evidence || ' of the other' end,
        case when s.email not in ('same mailbox') and s.namesakes in ($common_names) then 'a common name' end
    ) as explanation
from match_scored as s
join match_outcome as o on s.a = o.a and s.b = o.b
join match_contact as x on s.a = x.id
join match_contact as y on s.b = y.id;
