"""A run, read top to bottom: run.py tells the story; plan, loop, evaluations and checkpoints carry it out.

Knows everything below it; no task, step or method may know a run.
"""
