"""The inspection of a scan that no worker came back from: every scan gets exactly one, also this one."""

from typing import Any

from sqlalchemy import Row

from cargosight_inference.findings import Findings
from cargosight_inference.inspection import Inspection
from cargosight_inference.service.engines import Engine, EngineFacts


def unreadable_result(row: Row[Any], engine: Engine, facts: EngineFacts, sentence: str) -> dict[str, Any]:
    """Return what a worker would have returned of an unreadable scan.

    Args:
        row: of the scan.
        engine: that it was given to.
        facts: of the engine.
        sentence: why there is no result.
    """
    inspection = Inspection(
        path=row.name,
        sha256=row.sha256,
        width=0,
        height=0,
        kind=None,
        subject=engine.subject,
        decision="unreadable",
        reasons=(sentence,),
        findings=Findings.empty(facts.classes),
        timings_ms={},
        model=facts.model,
        fingerprint=facts.fingerprint,
        operating_point=facts.operating_point,
        thresholds=facts.thresholds,
        precision=facts.precision,
        error=sentence,
    )
    return {**inspection.to_dict(), "maps": {}}
