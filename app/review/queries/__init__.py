"""Every SELECT of the task list and its pages, and the statements that change many tasks at once."""
