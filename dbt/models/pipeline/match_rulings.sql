-- grain: one row per line of a rulings sheet in which something is ruled: what it says, and what became of it
with refused as (
    select left_key, right_key, min(explanation) as explanation from {{ ref('int_matching__contradictions') }} group by left_key, right_key
)

select
    cast(lines.record_id as string) as ruling_key,
    cast(lines.thing as string) as thing,
    cast(lines.written_left_key as string) as left_record,
    cast(lines.written_right_key as string) as right_record,
    cast(lines.ruling as string) as ruling,
    cast(lines.ruled_by as string) as ruled_by,
    cast(lines.ruled_date as date) as ruled_date,
    cast(lines.reason as string) as reason,
    cast(case
        when lines.state <> 'newest' then lines.state
        when refused.left_key is not null then 'contradicts others'
        else 'in force'
    end as string) as state,
    cast(case when lines.state = 'newest' then refused.explanation end as string) as contradiction,
    cast(lines.file_name as string) as file_name,
    cast(lines.row_number as bigint) as row_number,
    lines.known_from
from {{ ref('int_matching__ruling_lines') }} as lines
left join refused on lines.left_key = refused.left_key and lines.right_key = refused.right_key
