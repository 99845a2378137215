create or replace temp table ${into}_company_clusters as
with groups as (
    select c.id, c.record_key, k.cluster, c.created_at from match_company as c join match_company_cluster as k on c.id = k.id
)

select
    record_key,
    first_value(record_key) over (partition by cluster order by created_at nulls last, record_key) as cluster_key
from groups;

create or replace temp table ${into}_company_pairs as
select
    least(x.record_key, y.record_key) as left_key,
    greatest(x.record_key, y.record_key) as right_key,
    s.score,
    case when s.score >= $automatic and o.refusal is null then 'automatic' else 'review' end as band,
    o.is_joined,
    o.refusal,
    s.ruling,
    s.points_name + s.points_namesakes as points_name,
    s.points_domain,
    s.points_legal_id,
    s.points_phone,
    s.points_place,
    concat_ws(
        '; ',
        'ruled: ' || s.ruling,
        'name: ' || s.name || case when s.name <> 'missing' then ' (' || x.name || ', ' || y.name || ')' else '' end,
        case when s.domain = 'same' then 'same domain ' || x.domain when s.domain not in ('missing', 'one missing') then 'domain: ' || s.domain end,
        case when s.legal_id <> 'missing' then s.legal_id || ' legal id' end,
        case when s.phone <> 'missing' then s.phone || ' phone' end,
        case when s.place <> 'missing' then s.place end
    ) as explanation
from match_scored as s
join match_outcome as o on s.a = o.a and s.b = o.b
join match_company as x on s.a = x.id
join match_company as y on s.b = y.id;
