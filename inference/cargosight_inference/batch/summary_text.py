"""The summary of a run as text for a person, in Markdown."""

from typing import Any

_MOST_DAYS = 400
"""Lines of days; the JSON has all."""


def markdown(summary: dict[str, Any]) -> str:
    """Return a summary as Markdown.

    Args:
        summary: as `summary.summary_of` gives it.
    """
    decisions, faults = summary["decisions"], summary["faults"]
    lines = [
        f"# {summary['inputs']:,} inputs inspected by {summary['model']}",
        "",
        f"Operating point {_cell(summary['operating_point'])}, {summary['precision']}, cargosight {summary['code']}; "
        f"run {summary['fingerprint'][:12]}, model {summary['model_fingerprint'][:12]}.",
        "",
        f"- referred: {decisions['refer']:,} ({_rate(summary['alarm_rate'])} of those that were read)",
        f"- clear: {decisions['clear']:,}",
        f"- unreadable: {decisions['unreadable']:,} ({_rate(summary['unreadable_rate'])}): {faults['file']:,} files, "
        f"{faults['worker']:,} that ended their worker, {faults['model']:,} on which the model failed",
        f"- changed since the run was planned: {summary['changed']:,}",
        "",
        "Intervals are Wilson's of 95 %.",
        *_findings(summary["findings"]),
        *_drift(summary["drift"]),
        *_days(summary["days"]),
    ]
    return "\n".join(lines) + "\n"


def _findings(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    return [
        "",
        "| finding | kind | scans | findings |",
        "|---|---|---:|---:|",
        *(
            f"| {_cell(row['label'])} | {row['kind']} | {row['scans']:,} | {row['findings']:,} |"
            for row in rows
        ),
    ]


def _drift(drift: dict[str, Any] | None) -> list[str]:
    if drift is None:
        return []
    rates = drift["alarm_rate"]
    lines = [
        "",
        f"## Beside the run in {drift['against']} ({drift['model']}, {drift['fingerprint'][:12]})",
        "",
        f"- alarm rate: {_rate(rates['former'])} before, {_rate(rates['now'])} now",
    ]
    for name, told in (("score", "best score"), ("air_level", "level of air")):
        gone = drift[name]["deviations"]
        if gone is not None:
            lines.append(
                f"- mean {told}: {drift[name]['former_mean']:.4f} before, {drift[name]['mean']:.4f} now, which is "
                f"{gone:+.2f} standard deviations of the former"
            )
    return lines


def _days(days: dict[str, Any]) -> list[str]:
    rows, is_of_files = days["rows"], days["by"] == "file time"
    without = f"{days['undated']:,} inputs have no day"
    if not rows and is_of_files:
        why = "there is no column day or date, and no time of a local file is known"
        return ["", f"No alarm rate by day: {why}."] if days["undated"] else []
    lines = ["", f"## Alarm rate by day ({_cell(days['by'])})", *(_table_of_days(rows) if rows else ())]
    if days["undated"] and is_of_files:
        lines += ["", f"{without}: no time of a local file is known of them."]
    elif days["undated"]:
        lines += ["", f"{without} that can be read in the {_cell(days['by'])}; expected YYYY-MM-DD."]
    return lines


def _table_of_days(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "",
        "| day | inputs | unreadable | referred | rate |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {row['day']} | {row['inputs']:,} | {row['unreadable']:,} | {row['count']:,} | {_rate(row)} |"
            for row in rows[-_MOST_DAYS:]
        ),
    ]
    if len(rows) > _MOST_DAYS:
        lines += ["", f"These are the last {_MOST_DAYS} of {len(rows):,} days; summary.json has all."]
    return lines


def _rate(found: dict[str, Any]) -> str:
    if found["rate"] is None:
        return "none"
    low, high = found["wilson95"]
    return f"{found['rate']:.2%} [{low:.2%}, {high:.2%}]"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
