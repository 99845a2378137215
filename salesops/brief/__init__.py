"""The Monday brief: one page in Swedish or English, every number of it from a query that stands on the page."""
