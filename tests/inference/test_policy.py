"""Which findings send a load to secondary inspection."""

from pathlib import Path

import numpy as np
import pytest

from cargosight_inference.findings import KINDS, LABELS, Findings
from cargosight_inference.policy import Policy
from cargosight_models.errors import ConfigurationError

NAMES = ("knife", "lighter")


def findings(*labels: str) -> Findings:
    count = len(labels)
    scores = np.linspace(0.9, 0.5, count, dtype=np.float32)
    kinds = {label: kind for kind, names in LABELS.items() for label in names}
    ids = [NAMES.index(label) if label in NAMES else LABELS[kinds[label]].index(label) for label in labels]
    return Findings(
        np.zeros((count, 4), np.float32), scores, np.array(ids, np.int32),
        np.array([KINDS.index(kinds.get(label, "item")) for label in labels], np.int8), NAMES,
    )  # fmt: skip


def test_every_finding_refers_by_default_and_none_is_clear():
    assert Policy().decide(findings()) == ("clear", ())
    assert Policy().decide(findings("lighter")) == ("refer", ("lighter 0.90",))
    assert Policy().decide(findings("anomaly")) == ("refer", ("anomaly 0.90",))


def test_a_load_that_was_not_penetrated_refers():
    assert Policy().decide(findings(), 0.04) == ("clear", ())
    assert Policy().decide(findings(), 0.31) == ("refer", ("31% of the load could not be penetrated",))
    decision, reasons = Policy().decide(findings("knife"), 0.31)
    assert (decision, len(reasons)) == ("refer", 2)
    assert Policy(refer_opaque_above=1.0).decide(findings(), 1.0) == ("clear", ())
    with pytest.raises(ConfigurationError, match="from 0 to 1"):
        Policy(refer_opaque_above=1.5)


def test_reasons_name_each_label_once_with_its_best_score():
    assert Policy().decide(findings("knife", "lighter", "knife")) == (
        "refer",
        ("knife 0.90 (2 of them)", "lighter 0.70"),
    )


def test_only_the_named_classes_refer():
    policy = Policy(refer_classes=("knife",), refer_anomalies=False)
    assert policy.decide(findings("lighter", "anomaly")) == ("clear", ())
    assert policy.decide(findings("lighter", "knife")) == ("refer", ("knife 0.50",))


def test_a_dense_region_does_not_refer_unless_the_site_says_so():
    assert Policy().decide(findings("dense_region")) == ("clear", ())
    policy = Policy(refer_dense_regions=True, refer_classes=())
    assert policy.decide(findings("dense_region", "knife")) == ("refer", ("dense_region 0.90",))


def test_a_contradicted_declaration_refers_unless_the_site_says_no():
    label = "declared_empty_looks_loaded"
    assert Policy().decide(findings(label)) == ("refer", (f"{label} 0.90",))
    assert Policy(refer_declared=False).decide(findings(label)) == ("clear", ())


def test_the_shipped_policy_states_the_defaults():
    shipped = Path(__file__).parents[2] / "configs" / "policy.yaml"
    assert Policy.read(shipped) == Policy()


def test_a_policy_is_read_from_yaml(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text("refer_classes: [knife, lighter]\nrefer_dense_regions: true\nrefer_declared: false\n")
    expected = Policy(refer_classes=("knife", "lighter"), refer_dense_regions=True, refer_declared=False)
    assert Policy.read(path) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("refer_dense_regions: 1", "refer_dense_regions in .* is 1; expected true or false"),
        ("refer_clases: all", "unknown key 'refer_clases'.*did you mean 'refer_classes'"),
        ("refer_classes: knife", "expected `all` or a list"),
        ("refer_classes: [1]", "expected `all` or a list"),
        ("refer_anomalies: maybe", "expected true or false"),
        ("refer_opaque_above: most", "expected a share from 0 to 1"),
        ("refer_opaque_above: true", "expected a share from 0 to 1"),
        ("refer_opaque_above: 2", "expected a share of the cargo box"),
        ("- knife", "is a list; expected keys"),
        ("# refer_classes: all", "is empty; expected keys"),
        ("a: [", "is not valid YAML"),
        ("refer_classes: !!python/name:os.system", "is not valid YAML"),
        ("refer_anomalies: 2024-13-45", "is not valid YAML"),
        ("refer_anomalies: !!bool maybe", "is not valid YAML"),
        ("refer_anomalies: !!int x", "is not valid YAML"),
        ("refer_classes: [knife]\nrefer_classes: [lighter]", "'refer_classes' is given twice"),
        ("refer_classes: " + 3000 * "[" + 3000 * "]", "is nested too deeply"),
    ],
)
def test_a_wrong_policy_is_refused(tmp_path, text, message):
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        Policy.read(path)


def test_a_missing_policy_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Policy.read(tmp_path / "none.yaml")


def test_a_class_that_the_model_cannot_find_is_refused():
    Policy().check_classes(NAMES)
    with pytest.raises(ConfigurationError, match=r"'knive'.*did you mean 'knife'.*knife, lighter"):
        Policy(refer_classes=("knive",)).check_classes(NAMES)
