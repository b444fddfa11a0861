"""Celery: the application, and the worker and beat services."""
