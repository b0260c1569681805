"""Many runs from one command: the grid, its shared teachers, the processes that run it, the ledger of what happened."""
