"""The work queue: leased, heart-beaten, acked, retried."""
