-- grain: one row per deal or lead and rule that it breaks on the as-of day, and per contact of an open deal to refresh (M31): what to do, by whom, since when
-- broken_since is the first day of the unbroken run of days on which it failed, whatever the reason and the version of the rule; never before the
-- rule's from_date, and anew after a grace. repaired_count: how often it had passed again and broke once more (look at what is repaired often).
with turns as (
    select
        *, sum(is_turn) over (partition by thing, thing_key, rule_id order by from_date nulls last rows between unbounded preceding and current row) as run
    from (
        select *, case when verdict = lag(verdict) over by_rule and from_date = lag(to_date) over by_rule then 0 else 1 end as is_turn
        from {{ ref('crm_rule_results') }}
        window by_rule as (partition by thing, thing_key, rule_id order by from_date nulls last)
    ) as compared
),

runs as (
    select
        *, sum(case when verdict = 'pass' then 1 else 0 end) over (
            partition by thing, thing_key, rule_id order by run nulls last rows between unbounded preceding and current row
        ) as pass_count
    from (
        select
            thing, thing_key, rule_id, run, verdict, min(from_date) as from_date, case when count(to_date) = count(*) then max(to_date) end as to_date
        from turns group by thing, thing_key, rule_id, run, verdict
    ) as merged
),

failures as (
    select
        *, sum(is_repeat) over (partition by thing, thing_key, rule_id order by run nulls last rows between unbounded preceding and current row) as repaired_count
    from (
        select *, case when pass_count > lag(pass_count) over (partition by thing, thing_key, rule_id order by run nulls last) then 1 else 0 end as is_repeat
        from runs where verdict = 'fail'
    ) as compared
),

things as (
    select
        'deal' as thing, deals.deal_key as thing_key, deals.source, deals.name, deals.url, deals.owner_key, deals.team, deals.pipeline, deals.stage,
        deals.amount_base
    from {{ ref('deals') }} as deals
    union all
    select
        'lead', leads.lead_key, leads.source, contacts.full_name,
        case when leads.lead_rule = 'lead_record' then {{ record_url('leads', 'lead') }} end as url,
        leads.owner_key, leads.team, leads.pipeline, leads.stage, cast(null as decimal(18, 2))
    from {{ ref('leads') }} as leads
    left join {{ ref('contacts') }} as contacts on leads.contact_key = contacts.contact_key
)

select
    cast(failures.thing_key || '>' || failures.rule_id as string) as worklist_key,
    cast(failures.thing as string) as thing,
    cast(failures.thing_key as string) as thing_key,
    cast(failures.rule_id as string) as rule_id,
    cast(rules.title as string) as title,
    cast(rules.severity as string) as severity,
    cast(things.owner_key as string) as owner_key,
    cast(coalesce(owners.name, owners.email, things.owner_key, 'unknown') as string) as owner,
    cast(things.team as string) as team,
    cast(things.name as string) as name,
    cast(things.pipeline as string) as pipeline,
    cast(things.stage as string) as stage,
    cast(rules.what_to_do as string) as what_to_do,
    cast(present.detail as string) as detail,
    cast(things.url as string) as record_url,
    cast(failures.from_date as date) as broken_since,
    cast({{ days_between('failures.from_date', as_of_date()) }} as bigint) as broken_days,
    cast(failures.repaired_count as bigint) as repaired_count,
    cast(things.amount_base as decimal(18, 2)) as value_at_stake,
    cast(present.is_reconstructed as boolean) as is_reconstructed
from failures
inner join {{ ref('crm_rule_results') }} as present
    on failures.thing = present.thing and failures.thing_key = present.thing_key and failures.rule_id = present.rule_id
    and present.verdict = 'fail' and present.from_date <= {{ as_of_date() }} and (present.to_date > {{ as_of_date() }} or present.to_date is null)
inner join {{ ref('int_kpi__rules') }} as rules on present.rule_id = rules.rule_id and present.version = rules.version
inner join things on failures.thing = things.thing and failures.thing_key = things.thing_key
left join {{ ref('owners') }} as owners on things.owner_key = owners.owner_key
where failures.from_date <= {{ as_of_date() }} and (failures.to_date > {{ as_of_date() }} or failures.to_date is null)
union all
select
    stale.contact_key || '>M31', 'contact', stale.contact_key, 'M31', 'Contacts of open deals are known to be right', 'warn', stale.owner_key,
    coalesce(owners.name, owners.email, stale.owner_key, 'unknown'), stale.team, stale.full_name, cast(null as string), cast(null as string),
    case stale.decay_status
        when 'left' then 'Find who has the role now and where they went.'
        when 'wrong_number' then 'Find the right number.'
        when 'bounced' then 'Find the right address, or who has the role now.'
        else 'Get in touch, or confirm by another way that they are still there.'
    end,
    stale.detail,
    {{ record_url('stale', 'contact') }},
    stale.broken_since, {{ days_between('stale.broken_since', as_of_date()) }}, stale.repaired_count,
    cast(stale.value_at_stake as decimal(18, 2)), false
from {{ ref('int_kpi__contacts_to_refresh') }} as stale
left join {{ ref('owners') }} as owners on stale.owner_key = owners.owner_key
