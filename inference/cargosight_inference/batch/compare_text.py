"""A comparison of two runs as a table on a terminal."""

from cargosight_inference.batch.compare import LISTED, Comparison, Example
from cargosight_inference.spelling import spelled_out

WORDS = {
    "new_alarm": "new alarms",
    "lost_alarm": "lost alarms",
    "now_unreadable": "unreadable now",
    "now_readable": "readable now",
    "findings": "same decision, other findings",
    "score": "same findings, other score",
    "same": "the same",
    "added": "in the new run alone",
    "removed": "in the former run alone",
}
_SHOWN = 10


def described(found: Comparison) -> str:
    """Return a comparison in lines for a person, the most telling inputs of each change among them."""
    rates = found.to_dict()["alarm_rate"]
    lines = [f"beside {spelled_out(found.former_url)}: {found.both:,} inputs in both runs"]
    lines += [f"  {phrase}" for phrase in found.settings]
    for change, words in WORDS.items():
        lines.append(f"{found.changes[change]:>12,}  {words}")
    if found.other_content:
        lines.append(f"{found.other_content:>12,}  of these with other bytes than before")
    for name, told in (("former", "before"), ("now", "now")):
        if rates[name]["rate"] is not None:
            low, high = rates[name]["wilson95"]
            lines.append(
                f"referred {told}: {rates[name]['rate']:.2%} [{low:.2%}, {high:.2%}] of those that were read"
            )
    for change in LISTED:
        examples = found.examples.get(change, [])[:_SHOWN]
        if examples:
            lines += ["", f"{WORDS[change]}, by how far the score moved:"]
            lines += [f"  {caption(example)}  {spelled_out(example.row['path'])}" for example in examples]
    return "\n".join(lines)


def caption(example: Example) -> str:
    """Return decisions, scores and findings of both runs, such as `clear -> refer 0.93 (gun)`."""
    row = example.row
    return f"{_side(row, 'former_')} -> {_side(row, '')}"


def _side(row: dict[str, object], prefix: str) -> str:
    score, labels = row[f"{prefix}score"], row[f"{prefix}labels"]
    told = str(row[f"{prefix}decision"]) if score is None else f"{row[f'{prefix}decision']} {score:.2f}"
    names = ", ".join(dict.fromkeys(map(str, labels))) if isinstance(labels, list) else ""
    return f"{told} ({names})" if names else told
