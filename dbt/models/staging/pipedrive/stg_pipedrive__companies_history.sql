-- grain: one row per organization, field, instant and place at that instant, cut by (E, K): from landed versions, the vendor keeps no history of organizations
with landed as (
    select *, payload as p from ({{ landed_versions(source('pipedrive', 'organizations')) }}) as known where tombstone is null and not is_later
),

own as (
    {{ pd_own('organizations', 'landed', 'record_id, payload_hash') }}
),

versions as (
    select landed.*, own.industry, {{ pd_whole('own.employees') }} as employees, {{ vendor_instant(json_text('landed.payload', 'add_time')) }} as created_at
    from landed
    left join own on landed.record_id = own.record_id and landed.payload_hash = own.payload_hash
)

{{ pd_landed_history('company_id', {'industry': 'industry', 'employees': 'employees'}, is_first_kept=true) }}
