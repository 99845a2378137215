-- grain: one row per living contact record: the person at one employer that it is, and the human, by the records that name them
select record_key, cluster_key, person_key from {{ matching_results() }} where result = 'contact_clusters'
