"""The supervisor: standard library only; it knows services by their specs and probes alone."""
