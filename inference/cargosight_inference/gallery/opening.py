"""What an inspector is given to compare scans with: a gallery and declarations, checked against its model."""

import os
from collections.abc import Mapping

from cargosight_inference.gallery.files import read_gallery
from cargosight_inference.gallery.references import Gallery
from cargosight_inference.gallery.tables import Declarations
from cargosight_models.contract import Contract
from cargosight_models.errors import CatalogError, UsageError


def open_gallery(
    gallery: str | os.PathLike[str] | Gallery | None, contract: Contract, fingerprint: str
) -> Gallery | None:
    """Return a gallery for a model; None where none is given.

    Args:
        gallery: itself, or its file.
        contract: of the model.
        fingerprint: of the model file.

    Raises:
        CatalogError: the file is no gallery, or the gallery belongs to another model.
        UsageError: the model gives no embedding to compare.
    """
    if gallery is None:
        return None
    check_embeds(contract)
    if not isinstance(gallery, Gallery):
        return read_gallery(gallery, fingerprint)
    if gallery.fingerprint != fingerprint:
        raise CatalogError(
            f"the gallery was built with {gallery.fingerprint[:12]}…, but the model is {fingerprint[:12]}…; build it "
            "again with this model"
        )
    return gallery


def check_embeds(contract: Contract) -> None:
    """Refuse a model that cannot be compared with.

    Raises:
        UsageError: it gives no embedding, or is of no cargo.
    """
    if "embedding" not in contract.outputs or contract.subject != "cargo":
        raise UsageError(
            f"the model {contract.name} inspects {contract.subject} and gives {', '.join(contract.outputs)}; a gallery "
            "needs a model of cargo that gives an embedding: export it with model.embedding=true"
        )


def open_declarations(declared: str | Mapping[str, str] | None, contract: Contract) -> Declarations | None:
    """Return what was declared, checked; None where nothing was.

    Args:
        declared: heading of all scans, or of each by its path.
        contract: of the model.

    Raises:
        UsageError: a wrong heading, or the model is of no cargo.
    """
    if declared is None:
        return None
    if contract.subject != "cargo":
        raise UsageError(
            f"a load was declared, but the model {contract.name} inspects {contract.subject}; choose a model of cargo"
        )
    return Declarations.checked(declared)
