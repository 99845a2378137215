{#
  A sheet's rows as of (E, K), one per record and version: those with version_at <= E, and of a record without one the oldest version known,
  flagged is_reconstructed. The newest of each record is_newest. A row that a corrected file no longer has keeps its last contents, with is_deleted.
  A sheet does not say when a row was written, so one that was first seen after E was there at E unless the day that it is about (the first of the
  date fields `begins` that is filled in) had not ended at E: a file of past deals read for the first time holds their past.
  known_from is when the record was first landed, landed_at when the version was.
#}
{% macro sheet_row_versions(relation, fields, begins=[]) -%}
    {%- set days = [] -%}
    {%- for field in begins %}{% do days.append('try_cast(p.fields.' ~ field ~ ' as date)') %}{% endfor -%}
    select record_id, p, is_deleted, is_reconstructed, version_at, landed_at, known_from, choice = 1 as is_newest
    from (
        select
            record_id,
            {{ salesops.json_struct('payload', {'corrected': 'VARCHAR', 'file': 'VARCHAR', 'sheet': 'VARCHAR', 'row': 'VARCHAR'}, 'fields', fields) }} as p,
            is_deleted and not is_later as is_deleted, is_later as is_reconstructed, version_at, landed_at, known_from,
            row_number() over (
                partition by record_id
                order by is_later nulls last, case when not is_later then version_at end desc,
                    case when not is_later then landed_at end desc, version_at nulls last, landed_at nulls last,
                    is_deleted desc, payload_hash nulls last
            ) as choice
        from (
            select *, version_at > {{ salesops.as_of() }} as is_later, min(landed_at) over (partition by record_id) as known_from
            from {{ relation }} where {{ salesops.known('landed_at') }}
        ) as landed
    ) as ranked
    where (choice = 1 or not is_reconstructed)
    {%- if days %} and not (is_reconstructed and coalesce(coalesce({{ days | join(', ') }}) >= {{ salesops.as_of_date() }}, false)){% endif %}
{%- endmacro %}

{# Of sheet_row_versions the newest one of each record. #}
{% macro newest_sheet_rows(relation, fields, begins=[]) -%}
    select record_id, p, is_deleted, is_reconstructed, version_at, landed_at, known_from
    from ({{ salesops.sheet_row_versions(relation, fields, begins) }}) as versions
    where is_newest
{%- endmacro %}

{# When a sheet's deal was closed: its closing date, else its close date; a date that lies ahead was known when the file was saved.
   NULL for a deal that is open, or closed without either date: that one is closed from its first day on, and in no period. #}
{% macro sheet_closed_at() -%}
    case when life_state <> 'open' and coalesce(closed_date, close_date) is not null
        then least({{ salesops.local_midnight('coalesce(closed_date, close_date)') }}, version_at) end
{%- endmacro %}

{# The key of a CRM record that a person wrote as its key or as its address in HubSpot, Pipedrive or Salesforce, whose ids tell capitals; anything else as it
   stands, in lower case. #}
{% macro record_key_as_written(text) -%}
    case
        {%- for number, thing in [('0-1', 'contact'), ('0-2', 'company')] %}
        when {{ salesops.matches(text, '^https?://.*/' ~ number ~ '/[0-9]+') }}
            then 'hubspot:{{ thing }}:' || {{ salesops.replace_all(salesops.replace_all(text, '^.*/' ~ number ~ '/', ''), '[^0-9].*$', '') }}
        {%- endfor %}
        {%- for prefix, thing in [('00[3Q]', 'contact'), ('001', 'company')] %}
        when {{ salesops.matches(text, '^https?://.*/' ~ prefix ~ '[A-Za-z0-9]{15}(/view)?/?([?#].*)?$') }}
            then 'salesforce:{{ thing }}:' || {{ salesops.replace_all(salesops.replace_all(text, '(/view/?|/)?([?#].*)?$', ''), '^.*/', '') }}
        {%- endfor %}
        when lower(trim({{ text }})) like 'salesforce:%'
            then 'salesforce:' || lower(split_part(trim({{ text }}), ':', 2)) || ':' || split_part(trim({{ text }}), ':', 3)
        {%- for word, thing in [('person', 'contact'), ('organization', 'company')] %}
        when {{ salesops.matches(text, '^https?://.*/' ~ word ~ '/[0-9]+') }}
            then 'pipedrive:{{ thing }}:' || {{ salesops.replace_all(salesops.replace_all(text, '^.*/' ~ word ~ '/', ''), '[^0-9].*$', '') }}
        {%- endfor %}
        else lower(trim({{ text }}))
    end
{%- endmacro %}
