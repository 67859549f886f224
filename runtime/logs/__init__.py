"""Logs: where records are kept, in one order for each association area: SQLite, the topic `log`, exported files."""
