"""The commands that training adds to the `cargosight` command line."""
