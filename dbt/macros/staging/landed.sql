{# The objects of the catalogue (ingestion/objects.py) that dbt knows as sources; tests/unit/test_house.py holds the two together. #}
{% macro landed_objects() -%}
    {{ return({
        'hubspot': [
            'contacts', 'companies', 'deals', 'leads', 'calls', 'emails', 'meetings', 'notes', 'tasks', 'owners', 'pipelines', 'lead_pipelines',
            'properties', 'line_items', 'account_info'
        ],
        'spreadsheets': ['deals', 'companies', 'products', 'owners', 'activities', 'targets', 'contracts', 'exchange_rates', 'rulings'],
        'exchange_rates': ['reference_rates'],
    }) }}
{%- endmacro %}
