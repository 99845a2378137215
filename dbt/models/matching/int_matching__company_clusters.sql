-- grain: one row per living company record: the company that it is, by the record that names it
select record_key, cluster_key from {{ matching_results() }} where result = 'company_clusters'
