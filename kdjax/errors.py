"""The one exception a user's mistake raises."""


class UserError(Exception):
    """A mistake the user can mend. Its message is one sentence that says what to do; command lines exit with status 2."""
