"""Raw text → documents → sentences and words."""
