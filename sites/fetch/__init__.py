"""Asking for one page: the request, the answer, and what kind of failure it is."""
