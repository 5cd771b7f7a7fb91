"""Text from outside, such as file names, made fit to be shown."""

import re

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def spelled_out(text: str) -> str:
    r"""Return `text` with every character as an escape that is obeyed where it is shown, or breaks what shows it.

    These are control characters and line ends, those that turn the direction of writing, and surrogates: what
    Python makes of a file name that is no UTF-8 (OpenCV 5 crashes when it is to draw one). `a\nb` becomes the
    four characters `a`, `\`, `n`, `b`.
    """
    return _UNFIT.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)
