{# Rules that several pipeline models share. #}

{# CTEs `chain` and `roots` (key, root_id): the survivor of every record of `records` over any number of merges in the CRM.
   `records` has `key`, deletion and `merged_into`, a key too. A survivor that no source lists leaves the record its own root. #}
{% macro merge_roots(records, key, merged_into='merged_into') -%}
chain ({{ key }}, root_id, depth) as (
    select {{ key }}, {{ key }} as root_id, 0 as depth from {{ records }}
    union all
    select chain.{{ key }}, survivor.{{ key }} as root_id, chain.depth + 1 as depth
    from chain
    inner join {{ records }} as member on chain.root_id = member.{{ key }} and member.deletion = 'merged'
    inner join {{ records }} as survivor on member.{{ merged_into }} = survivor.{{ key }}
    where chain.depth < 50
),

roots as (
    select {{ key }}, max_by(root_id, depth) filter (where root_id is not null) as root_id from chain group by {{ key }}
)
{%- endmacro %}

{# Of several links the one that counts: the primary, else the smallest id. For min_by. #}
{% macro primary_first(links, id) -%}
    case when {{ links }}.is_primary then '0' else '1' end || lpad({{ links }}.{{ id }}, 20, '0')
{%- endmacro %}

{# Of every record of the kind `one` (from_id) the linked contact or company (`thing`) that counts: its `key` in the relation `things`. #}
{% macro primary_linked(one, thing, things, key) -%}
    (
        select
            links.source, links.from_id,
            min_by(things.{{ key }}, {{ salesops.primary_first('links', 'to_id') }}) filter (where things.{{ key }} is not null) as {{ key }}
        from {{ ref('int_crm__links') }} as links
        inner join {{ things }} as things on links.to_id = things.{{ thing }}_id and links.source = things.source
        where links.from_object = '{{ one }}' and links.to_object = '{{ {"contact": "contacts", "company": "companies"}[thing] }}'
        group by links.source, links.from_id
    )
{%- endmacro %}

{# One row per spelling (name or id, lower case) of a company in a sheet, with its company_key. #}
{% macro sheet_companies() -%}
    (
        select spelling, min(company_key) as company_key
        from (
            select lower(listed.name) as spelling, identities.company_key
            from {{ ref('stg_spreadsheets__companies') }} as listed
            inner join {{ ref('company_identities') }} as identities on listed.company_id = identities.company_id and identities.source = 'spreadsheets'
            where listed.name is not null
            union all
            select lower(company_id), company_key from {{ ref('company_identities') }} where source = 'spreadsheets'
        ) as spelt
        group by spelling
    )
{%- endmacro %}

{# Size classes of companies by employees, and what they make with the industry. #}
{% macro employees_band(employees) -%}
    case
        when {{ employees }} >= 1000 then '1000+' when {{ employees }} >= 250 then '250-999' when {{ employees }} >= 50 then '50-249'
        when {{ employees }} >= 10 then '10-49' when {{ employees }} >= 1 then '1-9'
    end
{%- endmacro %}

{% macro segment_of(employees_band, industry) -%}
    coalesce({{ employees_band }}, 'unknown') || ' / ' || coalesce({{ industry }}, 'unknown')
{%- endmacro %}

{# Size class of an amount in company currency, by the limits of the variable deal_size_bands; null without an amount. #}
{% macro deal_size_band(amount) -%}
    {%- set limits = var('deal_size_bands') | sort -%}
    case
        when {{ amount }} is null then null
        {%- for limit in limits %}
        when {{ amount }} < {{ limit }} then '{{ "below " ~ limit if loop.first else loop.previtem ~ "-" ~ (limit - 1) }}'
        {%- endfor %}
        else '{{ limits[-1] if limits else 0 }}+'
    end
{%- endmacro %}

{# Classes of a discount on the list price, a share of 0..1; null where it is unknown. A hundredth of a percent is no discount. #}
{% macro discount_band(share) -%}
    case
        when {{ share }} < 0.0001 then 'none' when {{ share }} < 0.1 then 'below 10 %' when {{ share }} < 0.2 then '10-20 %'
        when {{ share }} < 0.3 then '20-30 %' when {{ share }} >= 0.3 then '30 % and more'
    end
{%- endmacro %}

{# Which record gives each field of a golden contact or company: field -> (column and order of int_pipeline__*_records, the rule in words).
   One list for the golden table and for the one that explains it. #}
{% macro contact_survivors() -%}
    {%- set first, last = 'the first record that has one', 'the record changed last that has one' -%}
    {{ return({
        'full_name': ('full_name', 'name_place', 'first and last name before a part of them, with diacritics before without, then the longest'),
        'email': ('email', 'email_place', "the employer's domain, another one, free mail, a role mailbox, in this order; then " ~ last),
        'phone': ('phone', 'phone_place', 'a number that nobody else has; then ' ~ last),
        'title': ('title', 'change_place', last),
        'company_key': ('company_key', 'age_place', first),
        'country': ('country', 'age_place', first),
        'lifecycle_stage': ('lifecycle_stage', 'age_place', first),
        'owner_key': ('owner_key', 'age_place', first),
        'lead_source': ('first_source', 'age_place', first),
        'campaign': ('campaign', 'age_place', first),
    }) }}
{%- endmacro %}

{% macro company_survivors() -%}
    {%- set rule = 'the record that names the company, else the record changed last that has one' -%}
    {%- set fields = {} -%}
    {%- for field in ['name', 'domain', 'industry', 'employees', 'country', 'revenue', 'owner_key'] -%}
        {%- do fields.update({field: (field, 'age_place', rule)}) -%}
    {%- endfor -%}
    {{ return(fields) }}
{%- endmacro %}

{# The value of a field from the record that wins it. #}
{% macro survivor(field, fields, of=none) -%}
    {%- set column, place, _ = fields[field] -%}
    min_by({{ of or column }}, {{ place }}) filter (where {{ column }} is not null{{ ' and ' ~ of ~ ' is not null' if of }})
{%- endmacro %}

{# A row for each field of a thing that several records make up: who won it, by which rule, and what the others said. #}
{% macro survivor_rows(records, key, fields) -%}
    {%- for field in fields %}
    {%- set column, place, rule = fields[field] %}
    select
        {{ key }}, '{{ field }}' as field, {{ salesops.survivor(field, fields, 'cast(' ~ column ~ ' as string)') }} as value,
        {{ salesops.survivor(field, fields, 'record_key') }} as record_key, '{{ rule | replace("'", "''") }}' as rule,
        count(distinct {{ column }}) as value_count
    from {{ records }}
    group by {{ key }}
    having count(*) > 1 and count({{ column }}) > 0
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{# M31: without an answer or another proof for so many days nobody knows whether a contact's record is still right. #}
{% macro contact_silence_days() -%}180{%- endmacro %}

{# What role_mailboxes lists an address by: the letters before its @ and its plus part. The matching engine reads it the same way. #}
{% macro mailbox_letters(email) -%}{{ replace_all(replace_all(email, '[+@].*$', ''), '[^a-zà-ÿ]', '') }}{%- endmacro %}
