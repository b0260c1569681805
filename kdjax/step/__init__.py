"""The pure core: the train state, one step of an objective, the optimizer and its schedules, the step on the devices.

Knows methods, losses and networks by their contracts; must not know files, runs, data sets or programs.
"""
