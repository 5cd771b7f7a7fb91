"""The result of a comparison of maps of the unusual as Markdown."""

from collections.abc import Mapping
from typing import Any

_NAMES = {"real": "Threats projected into real scans", "simulated": "Threats projected into simulated scans"}


def table(document: Mapping[str, Any]) -> str:
    """All figures: for each kind of scans and least visibility the candidates, then both figures by family."""
    milliseconds = document["milliseconds"]
    shared = milliseconds["backbone and neck"]
    lines = ["# Which map of the unusual", ""]
    lines += [
        f"Fitted to {document['train_scans']} training scans. Backbone and neck take {shared:.0f} ms for a tile of "
        "512 x 512 on one thread; what a candidate takes comes on top.",
        "",
    ]
    for kind, by_visibility in document["kinds"].items():
        for least, rows in by_visibility.items():
            lines += [*_overall(_NAMES[kind], least, rows, milliseconds), ""]
            for figure, title in (("image_auroc", "Image AUROC"), ("aupro", "AUPRO@30 %")):
                lines += [*_by_family(f"{title}, {kind}, visibility {least} or more", rows, figure), ""]
    return "\n".join(lines)


def _overall(title: str, least: str, rows: Mapping[str, Any], milliseconds: Mapping[str, float]) -> list[str]:
    whole = {name: next(iter(families.values())) for name, families in rows.items() if families}
    if not whole:
        return [f"## {title}, visibility {least} or more: none"]
    first = next(iter(whole.values()))
    return [
        f"## {title}, visibility {least} or more: {first['clean']} clean scans, {first['with_threat']} projections, "
        f"{first['groups']} groups",
        "",
        "| candidate | image AUROC | AUPRO@30 % | ms a tile |",
        "| --- | --- | --- | ---: |",
        *(
            f"| {name} | {_figure(one, 'image_auroc')} | {_figure(one, 'aupro')} | {milliseconds[name]:.1f} |"
            for name, one in whole.items()
        ),
    ]


def _by_family(title: str, rows: Mapping[str, Any], figure: str) -> list[str]:
    families = list(dict.fromkeys(family for row in rows.values() for family in row))
    counts = {
        family: next(row[family]["with_threat"] for row in rows.values() if family in row)
        for family in families
    }
    return [
        f"### {title}",
        "",
        "| family | projections | " + " | ".join(rows) + " |",
        "| --- | ---: |" + " ---: |" * len(rows),
        *(
            f"| {family} | {counts[family]} | "
            + " | ".join(f"{row[family][figure]:.3f}" if family in row else "-" for row in rows.values())
            + " |"
            for family in families
        ),
    ]


def _figure(one: Mapping[str, Any], name: str) -> str:
    interval = one[f"{name}_bootstrap95"]
    if interval is None:
        return f"{one[name]:.3f}"
    return f"{one[name]:.3f} [{interval['low']:.3f} to {interval['high']:.3f}]"
