-- grain: one row per topic (deals, leads, activities, contracts) whose source has not told of it as it should, as of E
-- A series that depends on a topic is silent from stale_since on: what is missing would look like a fall.
with states as (
    select
        source, object, state, state_reason, stale_since,
        case
            when object in ('deals', 'opportunities') then 'deals'
            when object in ('leads', 'contacts', 'persons') then 'leads'
            when object in ('calls', 'emails', 'meetings', 'tasks', 'events', 'email_messages', 'activities') then 'activities'
            when object in ('contracts', 'line_items') then 'contracts'
        end as topic
    from {{ ref('data_status') }}
)

select
    topic, min(source || ' ' || object || ': ' || state) as what, cast(min({{ local_date('stale_since') }}) as date) as stale_since
from states
where topic is not null and state in ('stale', 'failed')
group by topic
