"""Names for versions: which version a label such as ``stable`` stands for."""

from collections.abc import Callable

from serving.contract.errors import Code, ServingError, invalid_argument
from serving.contract.model_config import Assignments


class Labels:
    """The labels of all models. Reading needs no lock: the table is replaced as a whole."""

    def __init__(self) -> None:
        """Begins without labels."""
        # Model to label to versions: the one assigned, then the one that stands in until that is loaded.
        self._table: dict[str, dict[str, tuple[int, ...]]] = {}

    def versions(self, model: str, label: str) -> tuple[int, ...]:
        """Returns the version that a label stands for, and after it the one to use while that is not loaded.

        Raises:
          ServingError: INVALID_ARGUMENT, the model has no such label.
        """
        try:
            return self._table[model][label]
        except KeyError:
            raise invalid_argument(f"Unrecognized servable version label: {label}") from None

    def names(self, model: str) -> tuple[str, ...]:
        """Returns the labels of a model."""
        return tuple(sorted(self._table.get(model, {})))

    def check(
        self, assignments: Assignments, is_available: Callable[[str, int], bool], *, allow_unavailable: bool
    ) -> None:
        """Checks that labels may be assigned.

        Args:
          assignments: The labels wanted.
          is_available: Says of a model's version whether it is loaded.
          allow_unavailable: Whether a label that is not in use may name a version that is not loaded.

        Raises:
          ServingError: FAILED_PRECONDITION, a label names a version that is not loaded.
        """
        for model, labels in assignments.items():
            for label, version in labels.items():
                current = self._table.get(model, {}).get(label)
                is_new = current is None or current[0] == version
                if not (allow_unavailable and is_new) and not is_available(model, version):
                    raise ServingError(
                        Code.FAILED_PRECONDITION,
                        f"Request to assign label to version {version} of model {model}, which is not currently "
                        "available for inference",
                    )

    def assign(self, assignments: Assignments) -> None:
        """Replaces all labels."""
        self._table = {
            model: {label: (version,) for label, version in labels.items()} for model, labels in assignments.items()
        }

    def assign_when_available(self, assignments: Assignments, is_available: Callable[[str, int], bool]) -> None:
        """Replaces all labels; one that moves stands for its old version until the new one is loaded."""
        table: dict[str, dict[str, tuple[int, ...]]] = {}
        for model, labels in assignments.items():
            for label, version in labels.items():
                current = self._table.get(model, {}).get(label, ())
                stand_in = next((old for old in current if old != version and is_available(model, old)), None)
                wanted = (version,) if stand_in is None or is_available(model, version) else (version, stand_in)
                table.setdefault(model, {})[label] = wanted
        self._table = table
