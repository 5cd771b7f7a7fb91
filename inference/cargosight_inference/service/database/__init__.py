"""The database of the service: its tables, how it is opened, and its migrations."""
