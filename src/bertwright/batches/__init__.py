"""Which rows at which step, and rows → flat batches."""
