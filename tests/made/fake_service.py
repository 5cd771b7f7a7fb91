"""A service for tests of the console's pages: as the plan has its interface, in memory, and failing when it is told to.

What the real service does is tested with the real one. This one does what cannot be asked of it: it loses answers,
falls silent, and lets a second operator be faster.
"""

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cargosight_inference.scans.scan import Scan
from cargosight_inference.service.pictures import write_picture
from cargosight_inference.service.settings import LaneSettings

LANE = "lane-1"
MODEL = {
    "model": "baggage",
    "fingerprint": "0610a8cb704c" + 52 * "0",
    "operating_point": "pfa=0.05",
    "precision": "fp32",
}
CLASSES = ["knife", "gun", "powerbank", "battery", "scissors"]
DECIDED = {"clear": "cleared", "refer": "referred"}
Answer = tuple[int, Any]


def refusal(status: int, code: str, message: str) -> Answer:
    return status, {"error": {"code": code, "message": message}}


def now(seconds: float = 0.0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class FakeService:
    """What is known, and how it is to fail.

    Attributes:
        folder: of the pictures.
        second_person: whether clearing has to be confirmed.
        lost: answers that are still to be lost, after what they answer was recorded, by a part of their path.
        refused: requests that are still to be refused with 503, by a part of their path.
        held: what requests wait for before anything is done of them, by a part of their path.
        waited: paths of the requests that were held, as they came.
        beat: seconds between the comment lines of a stream.
        silent: whether streams say nothing, not even comment lines.
        warnings: of the service's health, a sentence each.
        lanes: names of those that are in the settings.
        requests: every request, as `METHOD path`.
    """

    folder: Path
    second_person: bool = False
    undo_seconds: float = 15.0
    lost: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    held: dict[str, threading.Event] = field(default_factory=dict)
    waited: list[str] = field(default_factory=list)
    beat: float = 15.0
    silent: bool = False
    requests: list[str] = field(default_factory=list)
    bodies: list[tuple[str, Any]] = field(default_factory=list)
    scans: dict[int, dict[str, Any]] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    audit: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lanes: list[str] = field(default_factory=lambda: [LANE])
    streams: int = 0

    def __post_init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.known_requests: dict[str, dict[str, Any]] = {}
        self.generation = 0
        self.sessions: dict[str, str] = {}
        roles = ("operator", "supervisor", "engineer", "administrator")
        self.accounts = {
            name: {
                "name": name,
                "role": role,
                "lanes": [LANE],
                "must_change_password": False,
                "disabled": False,
            }
            for name, role in (("ada", "operator"), ("ben", "operator"), *((role, role) for role in roles))
        }
        self.passwords = dict.fromkeys(self.accounts, "correct horse")
        self.tokens: list[dict[str, Any]] = []

    # What tests do.

    def arrive(self, number: str, picture: Scan | None = None, *, event: bool = True, **values: Any) -> int:
        """A scan comes in, is drawn, and inspected unless `overdue`; `findings` and `below` are (label, score, box)."""
        with self.changed:
            scan = len(self.scans) + 1
            self.scans[scan] = self._new(scan, number, picture, values)
            if not values.get("overdue"):
                self._inspected(scan, values)
            if event:
                self.tell("scan.overdue" if values.get("overdue") else "scan.inspected", scan)
        return scan

    def inspect(self, scan: int, *findings: tuple[str, float, list[float]]) -> None:
        """The inspection of an overdue scan ends."""
        with self.changed:
            self._inspected(scan, {"findings": findings})
            self.tell("scan.inspected", scan)

    def decide(self, name: str, scan: int, decision: str) -> None:
        """Somebody else decides."""
        with self.changed:
            self._record(scan, "decision", name, DECIDED[decision], decision=decision)

    def look(self, name: str, scan: int) -> None:
        """Somebody else looks at a scan."""
        with self.changed:
            self.scans[scan]["viewers"] = [name]
            self._event("scan.viewed", {"scan": scan, "by": name})

    def hold(self, part: str) -> threading.Event:
        """Let requests with this in their path wait until the event that is returned is set."""
        self.held[part] = threading.Event()
        return self.held[part]

    def let_through(self, path: str) -> None:
        """Wait for as long as a request is held."""
        for gate in [gate for part, gate in self.held.items() if part in path]:
            self.waited.append(path)
            gate.wait(20)

    def drop_streams(self) -> None:
        """Every stream ends."""
        with self.changed:
            self.generation += 1
            self.changed.notify_all()

    def tell(self, kind: str, scan: int) -> None:
        self._event(kind, self.summary(scan))

    def summary(self, scan: int) -> dict[str, Any]:
        detail = self.scans[scan]
        return {key: detail[key] for key in detail if key not in _DETAIL}

    # What requests do.

    def me(self, name: str) -> dict[str, Any]:
        account = self.accounts[name]
        return {**account, "csrf": f"csrf-{name}"}

    def leave(self, name: str) -> Answer:
        self.sessions = {session: who for session, who in self.sessions.items() if who != name}
        return 204, None

    def lane(self, name: str = LANE) -> dict[str, Any]:
        states = [scan["state"] for scan in self.scans.values()]
        settings = LaneSettings(name=LANE)
        queue = {
            **{state: states.count(state) for state in ("waiting", "undecided", "to_confirm")},
            "inspecting": 0,
            "oldest_seconds": None,
        }
        return {
            "name": name,
            "title": name.replace("lane-", "Lane "),
            "subject": "baggage",
            "queue": queue,
            "model": {**MODEL, "ready": True, "problem": None, "thresholds": dict.fromkeys(CLASSES, 0.5)},
            "deadline_seconds": 10.0,
            "undo_seconds": self.undo_seconds,
            "second_person": "clears" if self.second_person else "never",
            "refer_reasons": list(settings.refer_reasons),
            "clear_reasons": list(settings.clear_reasons),
            "classes": CLASSES,
        }

    def lane_answer(self, name: str) -> Answer:
        if name not in self.lanes:
            return refusal(404, "not_found", f"there is no lane {name} that you may see")
        return 200, self.lane(name)

    def decide_by(self, name: str, body: dict[str, Any], scan: int) -> Answer:
        detail = self.scans[scan]
        last = max([0, *(record["id"] for record in detail["decisions"])])
        if body["request_id"] in self.known_requests:
            return 201, self.known_requests[body["request_id"]]
        if detail["state"] != "undecided" or body["after"] != last:
            return refusal(409, "decided_meanwhile", f"the scan is {detail['state']}")
        if not body["reason"] and (
            body["decision"] == "refer" or detail["advice"] in ("refer", "unreadable")
        ):
            return refusal(409, "reason_needed", "a reason is needed")
        confirm = self.second_person and body["decision"] == "clear"
        state = "to_confirm" if confirm else DECIDED[body["decision"]]
        values = {
            key: body[key] for key in ("decision", "reason", "note", "seconds", "inspection", "request_id")
        }
        return 201, self._record(scan, "decision", name, state, **values)

    def undo_by(self, name: str, body: dict[str, Any], scan: int, decision: int) -> Answer:
        made = self.scans[scan]["decision"]
        if made is None or made["id"] != decision or made["by"] != name:
            return refusal(409, "too_late", "this can no longer be undone; a supervisor can override it")
        return 201, self._record(
            scan, "undo", name, "undecided", force=None, reverses=decision, request_id=body["request_id"]
        )

    def confirm_by(self, name: str, body: dict[str, Any], scan: int) -> Answer:
        made = self.scans[scan]["decision"]
        if body["agree"]:
            return 201, self._record(
                scan, "confirmation", name, DECIDED[made["decision"]], force=made, note=body["note"]
            )
        return 201, self._record(
            scan, "rejection", name, "undecided", force=None, note=body["note"], reverses=made["id"]
        )

    def override_by(self, name: str, body: dict[str, Any], scan: int, decision: int) -> Answer:
        values = {key: body[key] for key in ("decision", "reason", "note")}
        return 201, self._record(
            scan, "override", name, DECIDED[body["decision"]], reverses=decision, **values
        )

    def mark_by(self, name: str, body: dict[str, Any], scan: int) -> Answer:
        mark = {
            **body,
            "id": sum(len(each["marks"]) for each in self.scans.values()) + 1,
            "by": name,
            "at": now(),
        }
        self.scans[scan]["marks"].append(mark)
        self._event("scan.marked", {"scan": scan})
        return 201, mark

    def secondary_by(self, name: str, body: dict[str, Any], scan: int) -> Answer:
        self.scans[scan] |= {"secondary": {**body, "by": name, "at": now()}, "state": "closed"}
        self.tell("scan.closed", scan)
        return 201, self.scans[scan]["secondary"]

    def listed(self, query: dict[str, str]) -> Answer:
        found = [scan for scan in self.scans if query.get("state") in (None, self.scans[scan]["state"])]
        found = [scan for scan in found if query.get("number", "") in self.scans[scan]["number"]]
        found = sorted(found, reverse=True)[: int(query.get("limit", 50))]
        return 200, {"scans": [self.summary(scan) for scan in found], "next": None}

    def next_for(self, query: dict[str, str]) -> Answer:
        skip = [int(number) for number in query.get("skip", "").split(",") if number]
        found = [scan for scan in self.scans if self.scans[scan]["state"] == "undecided" and scan not in skip]
        return 200, self.summary(found[0]) if found else None

    def view_by(self, name: str, scan: int) -> Answer:
        self.scans[scan]["viewers"] = sorted({*self.scans[scan]["viewers"], name})
        self._event("scan.viewed", {"scan": scan, "by": name})
        self._audit(name, "view", scan, {})
        return 204, None

    def picture_folder(self, scan: int) -> Path:
        return self.folder / str(scan)

    def overlay(self, scan: int) -> bytes:
        level = np.load(self.picture_folder(scan) / "level-0.npy")
        grey = np.uint8(level[:, :, 0] >> 8) if level.dtype == np.uint16 else level[:, :, ::-1]
        return bytes(cv2.imencode(".png", np.ascontiguousarray(grey))[1])

    def _new(self, scan: int, number: str, picture: Scan | None, values: dict[str, Any]) -> dict[str, Any]:
        described = None if picture is None else write_picture(picture, self.picture_folder(scan))
        size = {key: described and described[key] for key in ("width", "height", "kind")}
        problem = values.get("problem", "the file is no image; scan it again")
        nothing = dict.fromkeys(("heading", "advice", "top", "decision", "inspection", "secondary"))
        lists: dict[str, list[Any]] = {
            name: [] for name in ("reasons", "viewers", "inspections", "decisions", "marks")
        }
        return {
            "id": scan,
            "lane": LANE,
            "number": number,
            "name": f"{number}.png",
            "received_at": now(values.get("age", 0.0)),
            "state": "undecided",
            "shown": True,
            "overdue": bool(values.get("overdue")),
            "late": False,
            "subject": "baggage",
            "has_picture": picture is not None,
            "picture_problem": problem if picture is None else None,
            **size,
            **nothing,
            **lists,
        }

    def _inspected(self, scan: int, values: dict[str, Any]) -> None:
        detail = self.scans[scan]
        findings, below = (
            [
                {"label": label, "kind": "item", "score": score, "box": box}
                for label, score, box in values.get(name, ())
            ]
            for name in ("findings", "below")
        )
        advice = values.get("advice") or (
            "unreadable" if not detail["has_picture"] else "refer" if findings else "clear"
        )
        reasons = [f"{finding['label']} {finding['score']:.2f}" for finding in findings]
        late = detail["overdue"]
        line = {"id": 100 + scan, "late": late, "created_at": now(), **MODEL}
        inspection = {
            **line,
            "decision": advice,
            "reasons": reasons,
            "findings": findings,
            "below_threshold": below if "below" in values else None,
            "below_floor": 0.05 if "below" in values else None,
            "sha256": 64 * "a",
            "thresholds": dict.fromkeys(CLASSES, 0.5),
            "assumptions": [],
            "error": None,
            "timings_ms": {"total": 140.0},
            "seconds_from_arrival": 0.4,
            "maps": values.get("maps", {}),
            "opaque_regions": [],
            "cargo_box": None,
        }
        top = {key: findings[0][key] for key in ("label", "score")} if findings else None
        detail |= {"advice": advice, "reasons": reasons, "top": top, "late": late}
        detail |= {"inspection": inspection, "inspections": [line]}

    def _record(self, scan: int, kind: str, name: str, state: str, **values: Any) -> dict[str, Any]:
        made = {
            "kind": kind,
            "decision": None,
            "reason": "",
            "note": "",
            "seconds": None,
            "inspection": None,
            "reverses": None,
        }
        in_force = values.pop("force", "this")
        request = values.pop("request_id", "")
        made |= {"id": len(self.records) + 1, **values, "by": name, "at": now()}
        self.records.append(made)
        self.known_requests[request] = made
        detail = self.scans[scan]
        detail["decisions"].append(made)
        detail |= {"state": state, "decision": made if in_force == "this" else in_force}
        self._audit(name, kind, scan, {"decision": made["decision"], "reason": made["reason"]})
        self.tell("scan.decided", scan)
        return made

    def _audit(self, actor: str, action: str, scan: int | None, detail: dict[str, Any]) -> None:
        record = {
            "seq": len(self.audit) + 1,
            "at": now(),
            "actor": actor,
            "action": action,
            "lane": LANE,
            "scan": scan,
        }
        self.audit.append(
            {**record, "detail": detail, "previous": 64 * "0", "hash": f"{len(self.audit):064x}"}
        )

    def _event(self, kind: str, data: dict[str, Any]) -> None:
        self.events.append((kind, json.loads(json.dumps({**data, "lane": LANE}))))
        self.changed.notify_all()


_DETAIL = ("inspection", "inspections", "decisions", "marks", "secondary")
