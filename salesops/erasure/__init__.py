"""Forgetting a person: who that is in raw, what names them, and every file of the data directory that does."""
