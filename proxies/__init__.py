"""Proxies: found, judged, pooled, and picked."""
