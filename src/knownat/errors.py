"""The error that a person reads."""


class KnownatError(Exception):
    """One sentence that names the culprit and the remedy; commands print it and exit non-zero."""
