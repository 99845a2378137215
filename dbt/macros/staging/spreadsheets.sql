{#
  A sheet's rows as of (E, K), one per record: the newest version with version_at <= E, else the oldest version known,
  flagged is_reconstructed. A row that a corrected file no longer has keeps its last contents, with is_deleted.
#}
{% macro newest_sheet_rows(relation, fields) -%}
    select record_id, p, is_deleted, is_reconstructed, version_at, landed_at, known_from
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
    where choice = 1
{%- endmacro %}

{# When a sheet's deal was closed: its closing date, else its close date; a date that lies ahead was known when the file was saved.
   NULL for a deal that is open, or closed without either date: that one is closed from its first day on, and in no period. #}
{% macro sheet_closed_at() -%}
    case when life_state <> 'open' and coalesce(closed_date, close_date) is not null
        then least({{ salesops.local_midnight('coalesce(closed_date, close_date)') }}, version_at) end
{%- endmacro %}
