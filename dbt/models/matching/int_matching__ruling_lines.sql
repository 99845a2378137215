{{ config(materialized=intermediate()) }}
-- grain: one row per written line of a rulings sheet: the records that it means, and whether it is the newest one on its pair
-- A ruling on a record that the CRM merged away since is one on its survivor. Of two on a pair the later day counts, a line without a day by the day
-- on which its file was saved.
with records as (
    select record_key, root_key, 'contact' as thing from {{ ref('int_matching__contact_records') }}
    union all
    select record_key, root_key, 'company' from {{ ref('int_matching__company_records') }}
),

found as (
    select
        rulings.*, coalesce(rulings.ruled_date, {{ local_date('rulings.version_at') }}) as counted_date, lefts.thing as left_thing,
        rights.thing as right_thing, least(lefts.root_key, rights.root_key) as low_key, greatest(lefts.root_key, rights.root_key) as high_key
    from {{ ref('stg_spreadsheets__rulings') }} as rulings
    left join records as lefts on rulings.left_key = lefts.record_key
    left join records as rights on rulings.right_key = rights.record_key
    where not rulings.is_deleted and rulings.ruling is not null
)

select
    record_id, left_key as written_left_key, right_key as written_right_key, low_key as left_key, high_key as right_key, left_thing as thing, ruling, ruled_by,
    counted_date as ruled_date, reason, file_name, row_number, known_from,
    case
        when left_thing is null or right_thing is null then 'record unknown'
        when left_thing <> right_thing then 'a contact and a company'
        when low_key = high_key then 'one record already'
        when row_number() over (
            partition by low_key, high_key order by counted_date desc, version_at desc, row_number desc, record_id nulls last
        ) > 1 then 'replaced by a later one'
        else 'newest'
    end as state
from found
