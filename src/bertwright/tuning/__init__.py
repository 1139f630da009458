"""The search for the best settings: a study that workers share and that no death of one harms; its pictures.

Knows nothing of how a trial is trained.
"""
