"""The one exception for what a user can mend."""


class InputError(ValueError):
    """Bad input: the message says which value, where, what was expected and what to do.

    The scripts print it as it is and exit with status 2 (`tienet.cli.run`); any other exception is a bug of
    ours and keeps its traceback.
    """
