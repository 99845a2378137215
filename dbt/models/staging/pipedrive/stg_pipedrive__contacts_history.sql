-- grain: one row per person, field, instant and place at that instant, cut by (E, K): from landed versions, the vendor keeps no history of persons
with landed as (
    select *, payload as p, {{ pd_struct(['owner_id', 'job_title', 'add_time'], column='payload') }} as r
    from ({{ landed_versions(source('pipedrive', 'persons')) }}) as known where tombstone is null and not is_later
),

own as (
    {{ pd_own('persons', 'landed', 'record_id, payload_hash') }}
),

emails as (
    select record_id, payload_hash, lower(min_by(value, place) filter (where value is not null)) as email
    from (
        select
            record_id, payload_hash, {{ filled(json_text('item', 'value')) }} as value,
            position + case when {{ json_text('item', 'primary') }} = 'true' then 0 else 1000 end as place
        from {{ json_rows('landed', 'record_id, payload_hash', 'payload', 'emails') }} as listed
    ) as typed
    group by record_id, payload_hash
),

versions as (
    select
        landed.*, emails.email, own.email_bounce, own.lifecycle_stage, own.latest_source, {{ vendor_instant('landed.r.add_time') }} as created_at
    from landed
    left join own on landed.record_id = own.record_id and landed.payload_hash = own.payload_hash
    left join emails on landed.record_id = emails.record_id and landed.payload_hash = emails.payload_hash
)

{{ pd_landed_history('contact_id', {
    'email': 'email', 'title': filled('r.job_title'), 'email_bounce': bounce_kind('email_bounce'), 'lifecycle_stage': 'lower(lifecycle_stage)',
    'owner_id': 'r.owner_id', 'latest_source': 'latest_source'
}) }}
