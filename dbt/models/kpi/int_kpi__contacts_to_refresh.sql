{{ config(materialized=intermediate()) }}
-- grain: one row per living person on an open deal whose record is wrong or unproved on the as-of day (M31): the list to refresh first, by value at stake
-- broken_since: the failure's day; a silent one's 180 days after the last proof, or after its record was made. It is for the
-- seller of its largest open deal.
with on_deals as (
    select
        links.contact_key, deals.amount_base, deals.owner_key, deals.team,
        row_number() over (partition by links.contact_key order by coalesce(deals.amount_base, -1) desc, deals.deal_key nulls last) as place
    from {{ ref('deal_contacts') }} as links
    inner join {{ ref('int_kpi__deals') }} as deals on links.deal_key = deals.deal_key and deals.life_state = 'open'
),

at_stake as (
    select
        contact_key, count(*) as deal_count, sum(amount_base) as value_at_stake, max(case when place = 1 then owner_key end) as owner_key,
        max(case when place = 1 then team end) as team
    from on_deals group by contact_key
),

repairs as (
    select contact_key, count(*) filter (where is_failure) as repaired_count
    from {{ ref('int_kpi__contact_spells') }} group by contact_key
)

select
    contacts.contact_key, contacts.full_name, at_stake.owner_key, at_stake.team, contacts.decay_status, at_stake.value_at_stake,
    {{ replace_all('contacts.contact_key', '^.*:', '') }} as contact_id, {{ replace_all('contacts.contact_key', ':.*$', '') }} as source,
    case
        when contacts.decay_status <> 'silent' then {{ local_date('contacts.failed_at') }}
        else least(
            cast(
                {{ local_date('coalesce(contacts.verified_at, contacts.created_at, contacts.known_from)') }} + interval {{ contact_silence_days() }} day as date
            ),
            {{ as_of_date() }}
        )
    end as broken_since,
    greatest(coalesce(repairs.repaired_count, 0) - case when contacts.decay_status = 'silent' then 0 else 1 end, 0) as repaired_count,
    at_stake.deal_count || case when at_stake.deal_count = 1 then ' open deal; ' else ' open deals; ' end || case contacts.decay_status
        when 'bounced' then 'mail to ' || coalesce(contacts.email, 'this address') || ' comes back'
        when 'wrong_number' then 'the number reaches somebody else'
        when 'left' then 'works elsewhere now'
        else coalesce('nothing heard since ' || cast({{ local_date('contacts.verified_at') }} as string), 'never proved right: only imported')
    end as detail
from {{ ref('contacts') }} as contacts
inner join at_stake on contacts.contact_key = at_stake.contact_key
left join repairs on contacts.contact_key = repairs.contact_key
where not contacts.is_removed and contacts.decay_status not in ('verified', 'moved')
