"""Tables in, tables out: work that is neither a query nor a step of the night."""
