"""What `cargosight bench` measures: overhead, time to the first result, memory of a stream."""
