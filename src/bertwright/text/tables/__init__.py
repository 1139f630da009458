"""Labelled files → rows, with file and line in every complaint."""
