"""Refreshing the pool, in chunks that many workers check."""
