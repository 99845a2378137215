{{ config(materialized=intermediate()) }}
-- grain: one row per person at one employer with any evidence of kpis.md M31: what the newest of it says as of E
-- Silent: no proof for 180 days. Evidence of the same instant: a new address makes up for the employer that was left with it.
with newest as (
    select
        contact_key,
        max(case when not is_failure then happened_at end) as verified_at,
        max(case when kind = 'two_way' then happened_at end) as answered_at,
        max(case when kind = 'retitled' then happened_at end) as retitled_at,
        max(case when is_failure then happened_at end) as failed_at
    from {{ ref('contact_verifications') }}
    group by contact_key
),

judged as (
    select newest.*, min(failures.kind) as failed_as
    from newest
    left join {{ ref('contact_verifications') }} as failures
        on newest.contact_key = failures.contact_key and newest.failed_at = failures.happened_at and failures.is_failure
    group by all
)

select
    contact_key, verified_at, failed_at,
    case
        when failed_at > verified_at or verified_at is null then failed_as
        when {{ elapsed_days('verified_at', as_of()) }} > {{ contact_silence_days() }} then 'silent'
        when retitled_at = verified_at and (answered_at < retitled_at or answered_at is null) then 'moved'
        else 'verified'
    end as decay_status
from judged
