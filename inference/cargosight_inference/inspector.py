"""The inspector: a model, its thresholds and a policy, ready to inspect scans."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cargosight_inference.anomaly import join_maps, with_anomalies
from cargosight_inference.below import Below, affordable_floor, checked_floor, limits_down_to, split_at
from cargosight_inference.cargo_zone import items_by_zone, map_by_zone
from cargosight_inference.findings import (
    ANOMALY,
    DENSE_REGION,
    Findings,
    check_gives_findings,
    decode_findings,
)
from cargosight_inference.gallery.embedding import scan_embedding
from cargosight_inference.inspection import Inspection
from cargosight_inference.policy import Policy
from cargosight_inference.prepared import Keep, Prepared, hash_if_possible
from cargosight_inference.preprocess import NetworkInput, preprocess
from cargosight_inference.providers import CPU, Execution
from cargosight_inference.scans.readers import ReadOptions, read_scan, read_scan_and_whole
from cargosight_inference.scans.scan import Polarity, Scan, Subject
from cargosight_inference.session import Session, ThreadPolicy
from cargosight_inference.suitability import agreed_subject, assumed_of_kind, check_subject
from cargosight_inference.thresholds import choose_thresholds
from cargosight_models.catalog import ModelFile, find_model
from cargosight_models.contract import Contract
from cargosight_models.errors import ScanError, UsageError
from cargosight_models.geometry import FloatArray

if TYPE_CHECKING:
    from cargosight_inference.cargo_reading import CargoReading
    from cargosight_inference.declared import Declared
    from cargosight_inference.gallery.references import Gallery
    from cargosight_inference.gallery.tables import Declarations
    from cargosight_inference.scans.radiograph import Radiograph

Outputs = Mapping[str, npt.NDArray[Any]]
Source = str | os.PathLike[str] | Scan
"""What can be inspected: a path or a scan in memory."""

MAX_PIXELS = 200_000_000


class Inspector:
    """Inspects scans with one model. One instance serves any number of scans, also from several threads.

    Attributes:
        model: the model file.
        subject: what is scanned.
        thresholds: by class name, in [0, 1]; a finding is at or above its class's threshold. That of `anomaly` is the
            map's; without one nothing is found unusual.
        operating_point: name of the point that the thresholds come from, or the hand-made ones in words.
        policy: which findings refer.
        gallery: reference scans to compare declarations with, None where none was given.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | ModelFile = "baggage",
        *,
        subject: Subject | None = None,
        operating_point: str | None = None,
        threshold: float | Mapping[str, float] | None = None,
        threads: ThreadPolicy | None = None,
        policy: Policy | None = None,
        max_pixels: int = MAX_PIXELS,
        air_level: float | None = None,
        polarity: Polarity | None = None,
        pixel_pitch_mm: tuple[float, float] | None = None,
        correct: bool = False,
        gallery: "str | os.PathLike[str] | Gallery | None" = None,
        declared: str | Mapping[str, str] | None = None,
        whole: bool = False,
        execution: Execution = CPU,
        keep_below: float | None = None,
    ) -> None:
        """Load a model.

        Args:
            model: catalog name, the path of an `.onnx` file, or what `catalog.find_model` made of either.
            subject: what is scanned; the model's subject when None or `unknown`.
            operating_point: name of one of the model's operating points, such as `pfa=0.05`; its default
                when None.
            threshold: one number in [0, 1] for all classes, or one for each by name, instead of an
                operating point.
            threads: of the session; one, without spinning, when None.
            policy: which findings refer; all of them when None.
            max_pixels: larger files are refused before they are decoded.
            air_level: counts of air in raw 16-bit files, None to let the reader find it.
            polarity: of grey files, None to take them as air bright.
            pixel_pitch_mm: (x, y) size of a pixel at the load, for places in metres; None where it is not known.
            correct: whether stripes, and detectors that do not answer, are mended in cargo scans before anything is
                read of them; they are reported either way.
            gallery: reference scans by heading, or their file, built with this model (`cargosight gallery build`).
            declared: heading on the manifest of all scans, or of each by its path; `empty` for no load.
            whole: decode every file at full size, also a JPEG of which the network sees half of the pixels or less.
            execution: where the network runs and in which arithmetic; the CPU in fp32, or what the file holds.
            keep_below: score in [0, 1] from which on inspections also hold the best known items below the thresholds
                (`Inspection.below`), which decide nothing; None to hold none. The contract's score floor holds, too.

        Raises:
            UsageError: settings that contradict each other, the model, or their ranges.
            CatalogError: no such model or operating point, or a file fails a check.
            ContractError: the file is no model with a contract that this version reads, or one that gives no
                boxes with scores.
            ConfigurationError: the policy names a class that the model does not find.
        """
        self.model = model if isinstance(model, ModelFile) else find_model(os.fspath(model))
        self._session = Session(self.model, threads, execution)
        contract = self._session.contract
        check_gives_findings(contract)
        self.subject: Subject = agreed_subject(subject, contract)
        self.policy = policy or Policy()
        self.policy.check_classes(contract.classes)
        self.operating_point, self.thresholds = choose_thresholds(
            self.model, self._session.fingerprint, contract, operating_point, threshold
        )
        self._limits = np.array([self.thresholds[name] for name in contract.classes], dtype=np.float32)
        if correct and self.subject != "cargo":
            raise UsageError(
                f"correction mends the detector's stripes in scans of cargo; the model {contract.name} inspects "
                f"{self.subject}: leave it out"
            )
        self._correct = correct
        floor = checked_floor(keep_below)
        self._floor = None if floor is None else max(floor, contract.suppression.score_floor)
        self._read_options = ReadOptions(
            subject=self.subject,
            max_pixels=max_pixels,
            air_level=air_level,
            polarity=polarity,
            pixel_pitch_mm=pixel_pitch_mm,
            letterboxes=() if whole else contract.input.letterboxes,
        )
        self.gallery: Gallery | None = None
        self._declarations: Declarations | None = None
        if gallery is not None or declared is not None:
            from cargosight_inference.gallery.opening import open_declarations, open_gallery

            self.gallery = open_gallery(gallery, contract, self.fingerprint)
            self._declarations = open_declarations(declared, contract)

    @property
    def contract(self) -> Contract:
        """What the model says of itself."""
        return self._session.contract

    @property
    def threads(self) -> ThreadPolicy:
        """The thread policy of the session."""
        return self._session.threads

    @property
    def execution(self) -> Execution:
        """Where the network runs."""
        return self._session.execution

    @property
    def precision(self) -> str:
        """Of the network's arithmetic."""
        return self._session.precision

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the model file."""
        return self._session.fingerprint

    def inspect(self, source: Source, *, declared: str | None = None) -> Inspection:
        """Inspect one scan.

        A file that cannot be read gives an inspection with the decision `unreadable`.

        Args:
            source: path of a file, or a scan in memory.
            declared: heading on its manifest, `empty` for no load; None for what the inspector was given.

        Raises:
            UsageError: a scan in memory whose subject is not the model's, or a wrong heading.
            ContractError: the model fails on this input.
        """
        return self.finish(self.prepare(source), declared=declared)

    def stream(self, sources: Iterable[Source], *, decoders: int = 1, queue: int = 4) -> Iterator[Inspection]:
        """Inspect many scans, reading ahead in other threads; see `pipeline.inspect_many`."""
        from cargosight_inference.pipeline import inspect_many  # pipeline imports this module

        return inspect_many(self, sources, decoders=decoders, queue=queue)

    def prepare(self, source: Source, *, keep: Keep = "nothing") -> Prepared:
        """Read and preprocess one input: the first half of `inspect`, safe in any thread.

        Args:
            source: a path, or a scan in memory, which is kept as it is.
            keep: what `Prepared.scan` shall hold.

        Raises:
            UsageError: a scan in memory whose subject is not the model's.
        """
        started = perf_counter()
        path = source.path if isinstance(source, Scan) else os.fspath(source)
        try:
            scan, kept = self._read(source, keep)
            read = perf_counter()
            check_subject(scan, self.contract)
            assumptions = (*scan.assumptions, *assumed_of_kind(scan, self.contract))
            radiograph, cargo = self._read_cargo(scan) if self.subject == "cargo" else (None, None)
            network_input = preprocess(scan, self.contract.input, radiograph)
        except (ScanError, OSError, MemoryError) as error:
            sentence = str(error) or "there is not enough memory to read it"
            sha256 = source.sha256 if isinstance(source, Scan) else hash_if_possible(os.fspath(source))
            timings = {"read": (perf_counter() - started) * 1e3}
            return Prepared(path=path, sha256=sha256, error=sentence, timings_ms=timings)
        timings = {"read": (read - started) * 1e3, "preprocess": (perf_counter() - read) * 1e3}
        return Prepared(
            path=path,
            sha256=scan.sha256,
            width=scan.width,
            height=scan.height,
            kind=scan.kind,
            assumptions=assumptions if cargo is None else (*assumptions, *cargo.notes),
            network_input=network_input,
            timings_ms=timings,
            scan=kept,
            cargo=cargo,
            decode_scale=scan.decode_scale,
        )

    def finish(self, prepared: Prepared, *, declared: str | None = None) -> Inspection:
        """Run the network on a prepared input and decide: the second half of `inspect`.

        Raises:
            UsageError: a wrong heading.
            ContractError: the model fails on this input.
        """
        timings = dict(prepared.timings_ms)
        findings = Findings.empty(self.contract.classes)
        below = None if self._floor is None else Below(findings, self._floor)
        cargo, anomaly_map = prepared.cargo, None
        box = None if cargo is None else cargo.box
        embedding, compared = None, None
        if prepared.network_input is not None:
            started = perf_counter()
            outputs = self._session.run(prepared.network_input.tiles)
            ran = perf_counter()
            findings, below, anomaly_map = self._found(outputs, prepared.network_input, cargo)
            if "embedding" in outputs:
                embedding = scan_embedding(outputs["embedding"], prepared.network_input, box)
            if declared is None and self._declarations is not None:
                declared = self._declarations.of(prepared.path)
            if declared is not None:
                compared, findings = self._compare(declared, embedding, prepared, findings)
            opaque = None if cargo is None else cargo.penetration.opaque_fraction
            decision, reasons = self.policy.decide(findings, opaque)
            timings |= {"session": (ran - started) * 1e3, "decode": (perf_counter() - ran) * 1e3}
        else:
            decision, reasons = "unreadable", (prepared.error or "",)
        timings["total"] = sum(timings.values())
        return Inspection(
            path=prepared.path,
            sha256=prepared.sha256,
            width=prepared.width,
            height=prepared.height,
            kind=prepared.kind,
            subject=self.subject,
            decision=decision,
            reasons=reasons,
            findings=findings,
            below=below,
            timings_ms=timings,
            model=self.contract.name,
            fingerprint=self.fingerprint,
            operating_point=self.operating_point,
            thresholds=self.thresholds,
            precision=self.precision,
            provider=self.execution.provider,
            assumptions=prepared.assumptions,
            error=prepared.error,
            anomaly_map=anomaly_map,
            opaque_fraction=None if cargo is None else cargo.penetration.opaque_fraction,
            load_state=None if cargo is None else cargo.load.state,
            load_chance=None if cargo is None else cargo.load.chance,
            cargo_box=box,
            container_length_m=None if cargo is None else cargo.length_m,
            opaque_regions=() if cargo is None else tuple(each.box for each in cargo.penetration.regions),
            opaque_cells=None if cargo is None else cargo.penetration.cells,
            materials=None if cargo is None else cargo.materials,
            material_map=None if cargo is None else cargo.material_map,
            declared=compared,
            embedding=embedding,
            decode_scale=prepared.decode_scale,
        )

    def _read(self, source: Source, keep: Keep) -> tuple[Scan, Scan | None]:
        """Return the scan as it is preprocessed, and what is kept of it."""
        if not isinstance(source, Scan) and keep == "whole":
            return read_scan_and_whole(os.fspath(source), self._read_options)
        scan = source if isinstance(source, Scan) else read_scan(os.fspath(source), self._read_options)
        return scan, None if keep == "nothing" else scan

    def at_full_size(self, scan: Scan) -> Scan:
        """Return a scan that was read from a file as it is at full size: read again where it was reduced.

        Raises:
            ScanError: the file is gone, or another by now.
        """
        if scan.halved == 0 or scan.path is None:
            return scan
        whole = read_scan(scan.path, replace(self._read_options, letterboxes=()))
        if whole.sha256 != scan.sha256:
            raise ScanError(f"{scan.path} was changed while it was inspected; inspect it again")
        return whole

    def _found(
        self, outputs: Outputs, network_input: NetworkInput, cargo: "CargoReading | None"
    ) -> tuple[Findings, Below | None, FloatArray | None]:
        """Return what the network and the reading of cargo find, what is below, and the map of a model that has one."""
        floor = None if self._floor is None else affordable_floor(outputs["scores"], self._floor)
        limits = limits_down_to(self._limits, floor)
        findings, below = decode_findings(outputs, self.contract, network_input, limits), None
        anomalies = join_maps(outputs["anomaly_map"], network_input) if "anomaly_map" in outputs else None
        if cargo is not None:
            findings = items_by_zone(findings, cargo.container, limits)
            anomalies = None if anomalies is None else map_by_zone(anomalies, cargo.container)
        if floor is not None:
            findings, below = split_at(findings, self._limits, floor)
        limit = self.thresholds.get(ANOMALY)
        if anomalies is not None and limit is not None:
            findings = with_anomalies(findings, anomalies, limit)
        if cargo is not None and cargo.dense:
            boxes, scores = [region.box for region in cargo.dense], [region.score for region in cargo.dense]
            findings = findings.joined(DENSE_REGION, boxes, scores)
        return findings, below, None if anomalies is None else anomalies.cells

    def _compare(
        self, heading: str, embedding: FloatArray | None, prepared: Prepared, findings: Findings
    ) -> "tuple[Declared, Findings]":
        """Return how a scan compares with its declaration, and its findings with those of that."""
        from cargosight_inference.declared import compare, contradictions
        from cargosight_inference.gallery.tables import checked_heading

        if prepared.cargo is None:
            raise UsageError(f"{heading!r} was declared of a scan of {self.subject}; expected one of cargo")
        cargo = prepared.cargo
        compared = compare(checked_heading(heading), self.gallery, embedding)
        whole = (0.0, 0.0, float(prepared.width), float(prepared.height))
        box = cargo.container.box if cargo.container.found else whole
        for label, score in contradictions(compared, cargo.load):
            findings = findings.joined(label, [box], [score])
        return compared, findings

    def _read_cargo(self, scan: Scan) -> tuple["Radiograph", "CargoReading"]:
        """Return the radiograph of a scan that the model takes for cargo, and what is read of it."""
        # Not at the start: they take a tenth of it, and bags do not need them.
        from cargosight_inference.cargo_reading import radiograph_to_inspect, read_cargo

        cargo = scan if scan.subject == "cargo" else replace(scan, subject="cargo")
        radiograph = radiograph_to_inspect(cargo, correct=self._correct)
        return radiograph, read_cargo(radiograph)
