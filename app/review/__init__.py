"""What leads do with tasks and votes: the task list, requeue, priority, archive."""
