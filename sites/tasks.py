"""The Celery tasks of this package: thin."""
