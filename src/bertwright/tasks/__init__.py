"""One file a task: examples, head, losses, decoding, metrics."""
