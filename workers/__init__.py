"""The processes that do the long work: Celery tasks over the job table, and the trainers."""
