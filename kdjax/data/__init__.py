"""Where images come from (source, readers), who is in which step (order), and what a step sees of them (views).

Must not know networks, methods or runs.
"""
