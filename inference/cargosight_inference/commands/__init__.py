"""The commands of the base install; each module has `SUMMARY`, `add_arguments` and `run`."""
