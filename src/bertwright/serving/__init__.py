"""A fine-tuned model that answers with label names."""
