"""Reading a form with a scan in it as it comes, so that no scan is ever whole in memory."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from cargosight_inference.service.api.errors import ApiError

FILE, FIELDS = "file", ("number", "heading")
_MOST_PARTS = 8
_MOST_OF_FIELD = 1024
_MOST_OF_HEADER = 4096


class ScanForm:
    """A form of one file and two fields, in any order, read piece by piece.

    Attributes:
        file_name: as the sender has it, None before the file has begun.
        fields: texts by name, of those that were read to their end.
        ended: whether the form came to its end.
    """

    def __init__(self, boundary: bytes | None) -> None:
        """Begin a form.

        Args:
            boundary: between its parts, as its content type names it.

        Raises:
            ApiError: 400, there is none, or it is too long.
        """
        if not boundary:
            raise _malformed("its content type names no boundary")
        self.file_name: str | None = None
        self.fields: dict[str, str] = {}
        self.ended = False
        self._parts = 0
        self._header = bytearray()
        self._value = bytearray()
        self._disposition: bytes | None = None
        self._part: str = ""
        self._of_file: list[bytes] = []
        callbacks = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_to_header,
            "on_header_value": self._add_to_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": self._add_content,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        except FormParserError as error:
            raise _malformed("its boundary is too long") from error

    def feed(self, piece: bytes) -> bytes:
        """Take a piece of the form, and return what it holds of the file.

        Raises:
            ApiError: 400, it is no form; 422, it has a part that is not known here, or one twice.
        """
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _malformed("it is no multipart form") from error
        found = b"".join(self._of_file)
        self._of_file.clear()
        return found

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise _malformed("it has too many parts")
        self._disposition = None

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._add(self._header, data[start:end], _MOST_OF_HEADER)

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._add(self._value, data[start:end], _MOST_OF_HEADER)

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _begin_content(self) -> None:
        _, options = parse_options_header(self._disposition or b"")
        self._part = options.get(b"name", b"").decode("utf-8", "replace")
        if self._part == FILE and self.file_name is None:
            self.file_name = options.get(b"filename", b"").decode("utf-8", "replace")
        elif self._part not in FIELDS or self._part in self.fields:
            known = ", ".join((FILE, *FIELDS))
            raise ApiError(
                422, "invalid", f"the form has a part that is not known, or one twice; expected {known}"
            )

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        if self._part == FILE:
            self._of_file.append(data[start:end])
        else:
            self._add(self._value, data[start:end], _MOST_OF_FIELD)

    def _end_part(self) -> None:
        if self._part != FILE:
            self.fields[self._part] = self._value.decode("utf-8", "replace")
        self._value.clear()

    def _end(self) -> None:
        self.ended = True

    @staticmethod
    def _add(held: bytearray, data: bytes, most: int) -> None:
        if len(held) + len(data) > most:
            raise _malformed("one of its fields is too long")
        held += data


def _malformed(why: str) -> ApiError:
    return ApiError(
        400, "malformed", f"the form cannot be read: {why}; send multipart/form-data, or the file alone"
    )
