"""What every page needs and no slice owns: rendering, htmx, security, formats."""
