"""The leave-one-out table as Markdown, which also reads well on a terminal."""

from collections.abc import Sequence

from cargosight_training.evaluation.bootstrap import Interval
from cargosight_training.evaluation.leave_out import READINGS, GroupScore, MeanRatio, Ratio, Rules, mean_ratio


def leave_out_markdown(
    scores: Sequence[GroupScore], *, title: str, budget: str, rules: Rules, waiting: Sequence[str] = ()
) -> str:
    """All tables of a leave-one-out measurement.

    Args:
        scores: Of the groups done so far.
        title: What was measured, in one line.
        budget: Of each run, in words.
        rules: Which classes count.
        waiting: Groups that are still to come.
    """
    lines = [f"# {title}", "", f"Each run: {budget}. Without validation scans: the last weights are taken."]
    if waiting:
        lines += ["", f"Not done yet: {', '.join(waiting)}."]
    for reading, text in READINGS.items():
        lines += ["", f"## {_HEADINGS[reading]}", "", f"{text[0].upper()}{text[1:]}.", ""]
        lines += _table(scores, reading)
    lines += ["", "## By class (AP50)", "", _class_rules(rules), ""]
    for score in scores:
        lines += [*_classes(score), ""]
    lines += [
        "Brackets are 95 % intervals of a bootstrap by scan. They do not hold the chance of another training run.",
        "",
    ]
    return "\n".join(lines)


_HEADINGS = {
    "headline": "Headline",
    "same_images": "On the same unseen images",
    "all_images": "On the same images, most of them seen by the full run (a lower bound)",
    "every_class": "Over every class that both runs can know",
}


def _table(scores: Sequence[GroupScore], reading: str) -> list[str]:
    """One row for each group, then the average ratio."""
    rows = [_group_row(score, score.ratios[reading], reading) for score in scores]
    mean = mean_ratio(scores, reading)
    average = "-" if mean.value is None else f"**{mean.value:.3f}**{_span(mean.interval)}"
    rows.append(["average", "", "", "", "", "", average + _missing(scores, mean)])
    head = [
        "left out",
        "images, boxes: held-out run",
        "images, boxes: full run",
        "classes",
        "mAP50 held-out run",
        "mAP50 full run",
        "ratio",
    ]
    return _markdown(head, rows)


def _group_row(score: GroupScore, ratio: Ratio, reading: str) -> list[str]:
    everything = f"{score.images}, {score.boxes} (all)"
    unseen = f"{score.unseen_images}, {score.unseen_boxes} (validation)"
    return [
        score.group,
        unseen if reading == "same_images" else everything,
        everything if reading == "all_images" else unseen,
        ", ".join(ratio.classes) or "none",
        _number(ratio.held_out) + _span(ratio.held_out_interval),
        _number(ratio.full) + _span(ratio.full_interval),
        _number(ratio.ratio) + _span(ratio.ratio_interval),
    ]


def _missing(scores: Sequence[GroupScore], mean: MeanRatio) -> str:
    absent = [score.group for score in scores if score.group not in mean.groups]
    return f" (without {', '.join(absent)})" if absent else ""


def _class_rules(rules: Rules) -> str:
    return (
        f"A class counts from {rules.boxes} boxes in the group on, {rules.unseen} of them on its validation images, "
        f"where the training data without the group has {rules.elsewhere} or more."
    )


def _classes(score: GroupScore) -> list[str]:
    rows = []
    for one in score.classes:
        rows.append(
            [
                one.name,
                f"{one.boxes} ({one.unseen_boxes})",
                str(one.boxes_elsewhere),
                _number(one.held_out),
                _number(one.held_out_unseen),
                _number(one.full_unseen),
                _number(one.full_all),
                one.left_out_because or "yes",
            ]
        )
    head = [
        score.group,
        "boxes (validation)",
        "boxes elsewhere",
        "held-out, all",
        "held-out, validation",
        "full, validation",
        "full, all (seen)",
        "counts",
    ]
    return _markdown(head, rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[column]) for line in (head, *rows)) for column in range(len(head))]

    def row(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    return [row(head), row(["-" * width for width in widths]), *(row(cells) for cells in rows)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _span(interval: Interval | None) -> str:
    return "" if interval is None else f" [{interval.low:.3f} to {interval.high:.3f}]"
