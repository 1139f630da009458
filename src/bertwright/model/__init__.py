"""Ids → hidden states → logits, and the model folder; knows no task and no optimizer."""
