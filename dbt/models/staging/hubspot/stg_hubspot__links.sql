-- grain: one row per pair of associated records alive at K, whatever the number of labels
{%- set everybody = ['contacts', 'companies', 'deals'] %}
{%- set linked = {
    'contacts': ['companies'], 'deals': ['contacts', 'companies', 'line_items'], 'leads': everybody,
    'calls': everybody, 'emails': everybody, 'meetings': everybody, 'notes': everybody, 'tasks': everybody
} %}
{%- for one, others in linked.items() %}
{%- set outer_loop = loop %}
{%- for other in others %}
select '{{ one }}' as from_object, from_id, '{{ other }}' as to_object, to_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', one ~ '_' ~ other ~ '_links')) }}
) as links
{{ 'union all' if not (outer_loop.last and loop.last) }}
{%- endfor %}
{%- endfor %}
