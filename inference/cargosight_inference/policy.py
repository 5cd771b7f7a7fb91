"""The referral policy: which findings send a load to secondary inspection."""

from dataclasses import dataclass
from pathlib import Path

from cargosight_inference.findings import UNLIKE_DECLARED, FindingKind, Findings
from cargosight_inference.inspection import Decision
from cargosight_models.errors import ConfigurationError, nearest_spelling
from cargosight_models.strict_yaml import read_yaml

_SWITCHES = ("refer_anomalies", "refer_dense_regions", "refer_declared", "refer_unlike_declared")
_KEYS = ("refer_classes", *_SWITCHES, "refer_opaque_above")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Which findings refer; the default refers every one of them but dense regions and what is unlike its heading.

    Thresholds are no part of it: a finding has already reached its class's threshold.

    Attributes:
        refer_classes: names of the classes that refer; None means every class.
        refer_anomalies: whether an anomaly refers.
        refer_dense_regions: whether a dense compact region refers by itself. Not by default: shielding looks so, and so
            do engines, gearboxes and coils of steel, of which many a load is made.
        refer_declared: whether a box that looks empty though a load was declared, or the reverse, refers.
        refer_unlike_declared: whether a load that is atypical of its heading refers. Not by default: by the rule that
            calls it so, one in ten of those that are as declared is atypical.
        refer_opaque_above: share of the cargo box that could not be penetrated from which a load refers, in [0, 1]; 1
            never does. The default is a twentieth: behind less there is room for little.
    """

    refer_classes: tuple[str, ...] | None = None
    refer_anomalies: bool = True
    refer_dense_regions: bool = False
    refer_declared: bool = True
    refer_unlike_declared: bool = False
    refer_opaque_above: float = 0.05

    def __post_init__(self) -> None:
        if not 0.0 <= self.refer_opaque_above <= 1.0:
            raise ConfigurationError(
                f"refer_opaque_above is {self.refer_opaque_above}; expected a share of the cargo box from 0 to 1"
            )
        if self.refer_classes is not None:
            object.__setattr__(self, "refer_classes", tuple(self.refer_classes))

    @classmethod
    def read(cls, path: str | Path) -> "Policy":
        """Read a policy from YAML.

        The keys are `refer_classes` (`all` or a list of names), `refer_anomalies`, `refer_dense_regions`,
        `refer_declared` and `refer_unlike_declared` (`true` or `false`), and `refer_opaque_above` (a share); one that
        is not named keeps its default.

        Raises:
            ConfigurationError: the file cannot be read, or has an unknown key or a wrong value.
        """
        found = read_yaml(Path(path))
        if not isinstance(found, dict):
            what = "empty" if found is None else f"a {type(found).__name__}"
            raise ConfigurationError(f"the policy {path} is {what}; expected keys of {', '.join(_KEYS)}")
        for key in found:
            if key not in _KEYS:
                hint = nearest_spelling(str(key), _KEYS)
                raise ConfigurationError(f"the policy {path} has the unknown key {key!r}{hint}")
        classes = found.get("refer_classes", "all")
        if classes != "all" and not (
            isinstance(classes, list) and all(isinstance(name, str) for name in classes)
        ):
            raise ConfigurationError(
                f"refer_classes in {path} is {classes!r}; expected `all` or a list of class names"
            )
        switches = {key: found[key] for key in _SWITCHES if key in found}
        for key, value in switches.items():
            if not isinstance(value, bool):
                raise ConfigurationError(f"{key} in {path} is {value!r}; expected true or false")
        opaque = found.get("refer_opaque_above", cls.refer_opaque_above)
        if isinstance(opaque, bool) or not isinstance(opaque, int | float):
            raise ConfigurationError(
                f"refer_opaque_above in {path} is {opaque!r}; expected a share from 0 to 1"
            )
        return cls(
            refer_classes=None if classes == "all" else tuple(classes),
            refer_opaque_above=float(opaque),
            **switches,
        )

    def check_classes(self, class_names: tuple[str, ...]) -> None:
        """Refuse a policy that waits for a class which the model cannot find.

        Raises:
            ConfigurationError: a name that is no class of the model; the message lists those that are.
        """
        for name in self.refer_classes or ():
            if name not in class_names:
                raise ConfigurationError(
                    f"the policy refers {name!r}{nearest_spelling(name, class_names)}, but the model finds "
                    f"{', '.join(class_names)}"
                )

    def decide(
        self, findings: Findings, opaque_fraction: float | None = None
    ) -> tuple[Decision, tuple[str, ...]]:
        """Return the decision and its reasons: every referring label with its best score, best first.

        Args:
            findings: of the scan.
            opaque_fraction: share of the cargo box that could not be penetrated, None of a scan that is not of cargo.
        """
        best: dict[str, float] = {}
        counts: dict[str, int] = {}
        for label, kind, score in zip(
            findings.labels, findings.kind_names, findings.scores.tolist(), strict=True
        ):
            if self._refers(label, kind):
                best.setdefault(label, score)  # findings come by falling score
                counts[label] = counts.get(label, 0) + 1
        reasons = tuple(
            f"{label} {score:.2f}" + (f" ({counts[label]} of them)" if counts[label] > 1 else "")
            for label, score in best.items()
        )
        if opaque_fraction is not None and opaque_fraction > self.refer_opaque_above:
            reasons += (f"{opaque_fraction:.0%} of the load could not be penetrated",)
        return ("refer" if reasons else "clear"), reasons

    def _refers(self, label: str, kind: FindingKind) -> bool:
        if kind == "item":
            return self.refer_classes is None or label in self.refer_classes
        if label == UNLIKE_DECLARED:
            return self.refer_unlike_declared
        return {
            "anomaly": self.refer_anomalies,
            "dense": self.refer_dense_regions,
            "declared": self.refer_declared,
        }[kind]
