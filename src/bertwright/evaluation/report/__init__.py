"""report.html: a run's own files as one page; `whole` lists its sections, each a small file beside it."""
