"""The one exception a user's mistake raises."""


class UserError(Exception):
    """A mistake the user can mend; the message is a sentence that says what to do. Command lines exit with status 2."""
