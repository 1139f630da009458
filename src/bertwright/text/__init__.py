"""Strings → ids, and labelled files → rows; no torch."""
