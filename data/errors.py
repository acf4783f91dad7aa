"""What this package raises."""


class CorpusError(ValueError):
    """A corpus that cannot be used; the message names it, the reason and the remedy."""
