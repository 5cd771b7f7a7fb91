"""What a record may be refused for."""

from cargosight_models.errors import CargosightError


class ConflictError(CargosightError):
    """What is asked for does not fit the state that the records are in.

    Attributes:
        code: a short word for programs, such as `decided_meanwhile`.
    """

    def __init__(self, code: str, message: str) -> None:
        """Say what stands in the way.

        Args:
            code: a short word for programs.
            message: a sentence for people.
        """
        super().__init__(message)
        self.code = code


class MissingRecordError(CargosightError):
    """There is no such record, or none that the asker may see."""
