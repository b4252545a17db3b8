"""Web frameworks and Celery: what comes from outside, as workflows."""
