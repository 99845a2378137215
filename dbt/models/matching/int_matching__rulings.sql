-- grain: one row per pair of records that sales ops has ruled on, as the matching engine reads it
-- A ruling on a record that the CRM merged away since is one on its survivor.
with records as (
    select 'contact' as thing, source, contact_id as record_id, root_key from {{ ref('int_matching__contact_records') }}
    union all
    select 'company', source, company_id, root_key from {{ ref('int_matching__company_records') }}
)

select distinct
    least(lefts.root_key, rights.root_key) as left_key, greatest(lefts.root_key, rights.root_key) as right_key, rulings.ruling
from {{ ref('match_rulings') }} as rulings
inner join records as lefts on rulings.thing = lefts.thing and rulings.left_source = lefts.source and rulings.left_id = lefts.record_id
inner join records as rights on rulings.thing = rights.thing and rulings.right_source = rights.source and rulings.right_id = rights.record_id
where lefts.root_key <> rights.root_key
