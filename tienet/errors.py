"""The exception for input that the user can correct."""


class InputError(ValueError):
    """Wrong input: the message says which value is wrong, where it is, what was expected and what to do.

    Commands print the message and exit with status 2 (`tienet.cli.run`). Any other exception is a bug of this project
    and is shown with its traceback.
    """
