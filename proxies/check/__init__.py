"""Checking proxies: what each is, by real requests to a judge."""
