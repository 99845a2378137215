{{ config(materialized=intermediate()) }}
-- grain: one row per person at one employer and proof that the record is right: how long it was followed from there, and whether it turned out wrong
-- A spell begins with each proof and ends with the next proof, the first failure after it, or E (M31: time from verification to failure). A second
-- failure before a new proof says nothing new.
with proofs as (
    select
        contact_key, is_failure, happened_at,
        lead(happened_at) over by_contact as next_at, lead(is_failure) over by_contact as next_is_failure
    from (
        select contact_key, happened_at, min(is_failure) as is_failure
        from {{ ref('contact_verifications') }} group by contact_key, happened_at
    ) as instants
    window by_contact as (partition by contact_key order by happened_at nulls last)
)

select
    contact_key, happened_at as verified_at,
    {{ elapsed_days('happened_at', 'coalesce(next_at, ' ~ as_of() ~ ')') }} as days,
    coalesce(next_is_failure, false) as is_failure
from proofs
where not is_failure
