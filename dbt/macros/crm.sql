{# The CRMs and how each meets the pipeline: the one mapping of a new source. #}

{# In the order in which they are asked: a seller in two CRMs is named by the first. For each its name in words, the entities of
   models/crm/_models.yml for which its staging folder has a model stg_<source>__<entity>, the variable with the beginning of a record's address,
   and what stands in it before the id, and `after` it. `lacks`: landed object -> what the CRM does not say of it, for data_status; and
   `says_answers`: whether it says of a call or an e-mail that it was answered. What rests on that is judged and counted for those that do. #}
{% macro crm_sources() -%}
    {{ return({
        'hubspot': {
            'name': 'HubSpot',
            'entities': [
                'accounts', 'owners', 'owner_teams', 'pipeline_stages', 'lead_pipeline_stages', 'companies', 'company_numbers', 'companies_history', 'contacts',
                'contacts_history', 'deals', 'deals_landed', 'deals_history', 'leads', 'leads_history', 'line_items', 'activities', 'links', 'fields',
                'problems'
            ],
            'url': 'hubspot_record_url',
            'paths': {'contact': '0-1', 'company': '0-2', 'deal': '0-3', 'lead': '0-136'},
        },
        'salesforce': {
            'name': 'Salesforce',
            'entities': [
                'accounts', 'owners', 'owner_teams', 'pipeline_stages', 'lead_pipeline_stages', 'companies', 'company_numbers', 'companies_history', 'contacts',
                'contacts_history', 'deals', 'deals_landed', 'deals_history', 'leads', 'leads_history', 'line_items', 'activities', 'links', 'fields',
                'problems'
            ],
            'url': 'salesforce_record_url',
            'paths': {'contact': 'lightning/r', 'company': 'lightning/r', 'deal': 'lightning/r', 'lead': 'lightning/r'},
            'after': '/view',
            'lacks': {
                'leads': 'which contact a lead is before its conversion; how it came in',
                'contacts': 'how a contact came in',
                'opportunities': 'how a field was changed; which fields are tracked',
                'events': 'when a meeting was called off',
            },
        },
        'pipedrive': {
            'name': 'Pipedrive',
            'entities': [
                'accounts', 'owners', 'owner_teams', 'pipeline_stages', 'companies', 'company_numbers', 'companies_history', 'contacts', 'contacts_history', 'deals',
                'deals_landed', 'deals_history', 'line_items', 'activities', 'links', 'fields', 'problems'
            ],
            'url': 'pipedrive_record_url',
            'paths': {'contact': 'person', 'company': 'organization', 'deal': 'deal'},
            'says_answers': false,
            'lacks': {
                'activities': 'whether a call or an e-mail was answered, which way it went and whether a machine made it; how a meeting ended, but that it was held',
                'leads': 'stages, and leads that became a deal before the first night: they are not in the marts',
                'persons': 'how a person came in; the past before the first night; who was kept in a merge',
                'organizations': 'the past before the first night; who was kept in a merge',
                'deals': 'which deal was kept in a merge; an amount of 0 is none',
                'deal_products': 'the cost of a product on the day of sale',
            },
        },
    }) }}
{%- endmacro %}

{# The rows of one entity of every CRM that has it: exactly the columns that _models.yml gives the model, in their types. Of the CRMs that the
   variable `crms` names, where it names any: the others hold nothing, and their staging is not built. #}
{% macro crm_union(entity) -%}
    {%- set read, sources = var('crms', []), [] -%}
    {%- for source, crm in salesops.crm_sources().items() if entity in crm.entities and (not read or source in read) -%}
        {%- do sources.append(source) -%}
    {%- endfor -%}
    {%- for source in sources %}
select
    cast('{{ source }}' as string) as source
    {%- for name, column in model.columns.items() if name != 'source' %},
    cast({{ name }} as {{ column.data_type }}) as {{ name }}
    {%- endfor %}
from {{ ref('stg_' ~ source ~ '__' ~ entity) }}
{{ 'union all' if not loop.last }}
    {%- endfor %}
    {%- if not sources %}
select
    {%- for name, column in model.columns.items() %}
    cast(null as {{ column.data_type }}) as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
where 1 = 0
    {%- endif %}
{%- endmacro %}

{# Place of a source in the order of crm_sources(); what is no CRM comes after them. #}
{% macro crm_place(source) -%}
    case {{ source }} {% for name in salesops.crm_sources() %}when '{{ name }}' then {{ loop.index }} {% endfor %}else 90 end
{%- endmacro %}

{# Whether the source says of calls and e-mails that they were answered: else nobody's silence shows. A sheet says what it says. #}
{% macro says_answers(source) -%}
    {%- set silent = [] -%}
    {%- for name, crm in salesops.crm_sources().items() if crm.says_answers is false %}{% do silent.append(name) %}{% endfor -%}
    {{ source }} not in ('{{ silent | join("', '") }}')
{%- endmacro %}

{# What a CRM does not say of an object that is landed from it; null where nothing is known to be missing. #}
{% macro crm_lacks(source, object) -%}
    case {{ source }}
        {%- for name, crm in salesops.crm_sources().items() if crm.lacks %}
        when '{{ name }}' then case {{ object }} {% for thing, what in crm.lacks.items() %}when '{{ thing }}' then '{{ what }}' {% endfor %}end
        {%- endfor %}
    end
{%- endmacro %}

{# The name of a CRM in words. #}
{% macro crm_name(source) -%}
    case {{ source }} {% for name, crm in salesops.crm_sources().items() %}when '{{ name }}' then '{{ crm.name }}' {% endfor %}else {{ source }} end
{%- endmacro %}

{# Address of a record (contact, company, deal, lead) in its CRM; null where there is none to open. #}
{% macro record_url(records, thing) -%}
    {%- set found = [] -%}
    {%- for source, crm in salesops.crm_sources().items() if var(crm.url, '') and thing in crm.paths -%}
        {%- do found.append("when '" ~ source ~ "' then '" ~ var(crm.url) ~ '/' ~ crm.paths[thing] ~ "/' || " ~ records ~ '.' ~ thing ~ '_id' ~ (" || '" ~ crm.after ~ "'" if crm.after else '')) -%}
    {%- endfor -%}
    {%- if found -%}case {{ records }}.source {{ found | join(' ') }} end{%- else -%}cast(null as string){%- endif -%}
{%- endmacro %}

{# Key of the seller whom a record names: that of the first CRM that lists the same person (int_pipeline__same_owners, joined as `same`). #}
{% macro seller_key(source, owner_id, same) -%}
    coalesce({{ same }}.owner_key, {{ source }} || ':owner:' || {{ owner_id }})
{%- endmacro %}

{# Join condition for it. #}
{% macro same_seller(source, owner_id, same) -%}
    {{ source }} = {{ same }}.source and {{ owner_id }} = {{ same }}.owner_id
{%- endmacro %}
