"""Whether a model was made for a scan, and what is assumed where it was not."""

from cargosight_inference.scans.scan import Scan, Subject
from cargosight_models.contract import Contract
from cargosight_models.errors import ScanError, UsageError


def agreed_subject(subject: Subject | None, contract: Contract) -> Subject:
    """Return the subject that a model inspects.

    Raises:
        UsageError: another was stated.
    """
    if subject not in (None, "unknown", contract.subject):
        raise UsageError(
            f"the subject is {subject}, but the model {contract.name} inspects {contract.subject}; "
            f"choose a model for {subject}"
        )
    return contract.subject


def check_subject(scan: Scan, contract: Contract) -> None:
    """Make sure that a scan is of what a model inspects, or says nothing of it.

    Raises:
        UsageError: it is of something else.
    """
    if scan.subject not in ("unknown", contract.subject):
        raise UsageError(
            f"the scan is of {scan.subject}, but the model {contract.name} inspects {contract.subject}; "
            f"choose a model for {scan.subject}"
        )


def assumed_of_kind(scan: Scan, contract: Contract) -> tuple[str, ...]:
    """Return what must be assumed to inspect a scan of this kind.

    Raises:
        ScanError: the model was not made for it, and it cannot be rendered into what it was made for.
    """
    if scan.kind in contract.kinds:
        return ()
    if scan.kind == "pseudocolour" and contract.input.colour == "radiograph":
        return ("the grey behind a pseudo-colour palette was guessed: the model was not made for it",)
    if scan.kind == "transmission" and contract.input.colour == "rgb":
        rendered = "pseudo-colour" if scan.pixels.shape[2] == 2 else "grey"
        return (f"transmission was rendered in {rendered}: the model was not made for raw transmission",)
    raise ScanError(
        f"the scan is {scan.kind}, but the model {contract.name} was made for "
        f"{', '.join(contract.kinds)}; choose a model for this kind of scan"
    )
