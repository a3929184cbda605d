"""The errors that a person reads."""


class KnownatError(Exception):
    """One sentence that names the culprit and the remedy; commands print it and exit non-zero."""


class RefusedField(KnownatError):
    """A request that cannot be answered, because of one `field` (or a feature computed from it)."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
