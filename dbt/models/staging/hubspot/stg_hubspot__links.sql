-- grain: one row per pair of associated records alive at K, whatever the number of labels
{%- set linked = {'contacts': ['companies'], 'deals': ['contacts', 'companies', 'line_items'], 'leads': ['contacts', 'companies', 'deals']} %}
{%- for activities in ['calls', 'emails', 'meetings', 'notes', 'tasks'] %}{% do linked.update({activities: ['contacts', 'companies', 'deals']}) %}{% endfor %}
{%- set pairs = [] %}
{%- for one, others in linked.items() %}{% for other in others %}{% do pairs.append((one, other)) %}{% endfor %}{% endfor %}
{%- for one, other in pairs %}
select '{{ one }}' as from_object, from_id, '{{ other }}' as to_object, to_id, is_primary, labels
from (
    {{ newest_links(source('hubspot', one ~ '_' ~ other ~ '_links')) }}
) as links
{{ 'union all' if not loop.last }}
{%- endfor %}
