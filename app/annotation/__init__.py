"""The annotator's desk: handing out tasks, taking judgements, undo and edit."""
