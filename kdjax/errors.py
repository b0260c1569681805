"""The ways a run ends that are nobody's bug: a user's mistake, a polite stop, numbers that went wrong."""

EXIT_STOPPED = 75  # EX_TEMPFAIL: run the same command to continue
EXIT_FAILED = 1


class UserError(Exception):
    """A mistake the user can mend; the message is a sentence that says what to do. Command lines exit with status 2."""


class Stopped(Exception):
    """The run saved itself and left after a signal."""

    def __init__(self, name: str, folder, step: int | None = None):
        when = "after the last step" if step is None else f"after step {step}"
        super().__init__(f"stopped by {name} {when}; saved in {folder}. The same command continues.")


class StoppedEarly(KeyboardInterrupt):
    """A signal came while there was nothing to save. Like KeyboardInterrupt it passes through `except Exception`."""

    def __init__(self, name: str):
        super().__init__(f"stopped by {name} with nothing unsaved. The same command starts or continues.")


class Diverged(Exception):
    """A loss, a gradient or a parameter is no longer finite."""
