"""A model's outputs in bounded memory, and figures for people to read."""
