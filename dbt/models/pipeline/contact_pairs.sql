-- grain: one row per pair of source contacts that were compared and are worth showing: joined, waiting for a ruling, refused, or one human twice
-- The edges behind contact_identities: what joined can be looked up and undone here. The points of the fields sum to the scores.
select
    cast(pairs.left_key || '>' || pairs.right_key as string) as pair_key,
    {%- for side in ['left', 'right'] %}
    cast({{ side }}s.source as string) as {{ side }}_source,
    cast({{ side }}s.contact_id as string) as {{ side }}_id,
    cast({{ side }}s.contact_key as string) as {{ side }}_contact_key,
    cast({{ side }}s.full_name as string) as {{ side }}_name,
    cast({{ side }}s.email as string) as {{ side }}_email,
    cast({{ record_url(side ~ 's', 'contact') }} as string) as {{ side }}_url,
    {%- endfor %}
    cast(pairs.band as string) as band,
    cast(pairs.is_joined as boolean) as is_joined,
    cast(pairs.is_same_person as boolean) as is_same_person,
    cast(pairs.explanation as string) as explanation,
    cast(pairs.refusal as string) as refusal,
    cast(pairs.ruling as string) as ruling,
    cast(pairs.merge_score as double) as merge_score,
    cast(pairs.person_score as double) as person_score,
    {%- for field in ['email', 'phone', 'first_name', 'last_name', 'company', 'title', 'city', 'namesakes', 'cross'] %}
    cast(pairs.points_{{ field }} as double) as points_{{ field }},
    {%- endfor %}
    greatest(coalesce(lefts.created_at, lefts.known_from), coalesce(rights.created_at, rights.known_from)) as paired_at,
    cast(case
        when coalesce(rights.created_at, rights.known_from) >= coalesce(lefts.created_at, lefts.known_from) then rights.record_key else lefts.record_key
    end as string) as newer_record_key
from {{ ref('int_matching__contact_pairs') }} as pairs
inner join {{ ref('int_pipeline__contact_records') }} as lefts on pairs.left_key = lefts.record_key
inner join {{ ref('int_pipeline__contact_records') }} as rights on pairs.right_key = rights.record_key
