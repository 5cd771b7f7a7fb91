"""Who may use which route: one table, without which no route can be made."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cargosight_inference.service.records.accounts import Role
from cargosight_inference.service.records.tokens import Scope

ROOT = "/api/v1"


@dataclass(frozen=True, kw_only=True)
class Permission:
    """Who may use a route.

    Attributes:
        roles: of people.
        scopes: of machine tokens.
        everybody: whether nobody has to sign in for it.
        before_password_change: whether it can be used with a password that another has given.
        by_itself: whether a console uses it without anybody's doing, so that it does not keep a session from ending.
        looks: whether it only notes how a scan was looked at, also one of a lane that was removed.
    """

    roles: frozenset[Role] = frozenset()
    scopes: frozenset[Scope] = frozenset()
    everybody: bool = False
    before_password_change: bool = False
    by_itself: bool = False
    looks: bool = False


def _of(*roles: Role, scopes: Iterable[Scope] = (), by_itself: bool = False) -> Permission:
    return Permission(roles=frozenset(roles), scopes=frozenset(scopes), by_itself=by_itself)


_EVERYBODY = Permission(everybody=True)
_PEOPLE: tuple[Role, ...] = ("operator", "supervisor", "engineer", "administrator")
_SIGNED_IN = Permission(roles=frozenset(_PEOPLE), before_password_change=True)
_VIEW = _of(*_PEOPLE)
_WATCH = _of(*_PEOPLE, by_itself=True)
_SEEN = replace(_WATCH, looks=True)
_FILTERED = replace(_VIEW, looks=True)
_UPLOAD = _of(*_PEOPLE, scopes=["scanner"])
_DECIDE = _of("operator", "supervisor", "administrator")
_SUPERVISE = _of("supervisor", "administrator")
_COUNT = _of("supervisor", "engineer", "administrator")
_ENGINEER = _of("engineer", "administrator")
_METRICS = _of("engineer", "administrator", scopes=["metrics"])
_ADMINISTER = _of("administrator")

PERMISSIONS: dict[tuple[str, str], Permission] = {
    ("POST", f"{ROOT}/login"): _EVERYBODY,
    ("POST", f"{ROOT}/logout"): _SIGNED_IN,
    ("GET", f"{ROOT}/me"): _SIGNED_IN,
    ("POST", f"{ROOT}/me/password"): _SIGNED_IN,
    ("GET", f"{ROOT}/lanes"): _VIEW,
    ("GET", f"{ROOT}/lanes/{{lane}}"): _WATCH,
    ("GET", f"{ROOT}/lanes/{{lane}}/scans"): _WATCH,
    ("GET", f"{ROOT}/lanes/{{lane}}/next"): _WATCH,
    ("POST", f"{ROOT}/lanes/{{lane}}/scans"): _UPLOAD,
    ("PUT", f"{ROOT}/lanes/{{lane}}/engine"): _ENGINEER,
    ("GET", f"{ROOT}/scans"): _SUPERVISE,
    ("GET", f"{ROOT}/scans/{{scan}}"): _WATCH,
    ("GET", f"{ROOT}/scans/{{scan}}/picture"): _WATCH,
    ("GET", f"{ROOT}/scans/{{scan}}/tiles/{{level}}/{{column}}/{{row}}"): _WATCH,
    ("GET", f"{ROOT}/scans/{{scan}}/inspections/{{inspection}}/maps/{{name}}"): _WATCH,
    ("GET", f"{ROOT}/scans/{{scan}}/overlay.png"): _VIEW,
    ("POST", f"{ROOT}/scans/{{scan}}/view"): _SEEN,
    ("POST", f"{ROOT}/scans/{{scan}}/filters"): _FILTERED,
    ("POST", f"{ROOT}/scans/{{scan}}/decisions"): _DECIDE,
    ("POST", f"{ROOT}/scans/{{scan}}/decisions/{{decision}}/undo"): _DECIDE,
    ("POST", f"{ROOT}/scans/{{scan}}/decisions/{{decision}}/confirmation"): _DECIDE,
    ("POST", f"{ROOT}/scans/{{scan}}/decisions/{{decision}}/override"): _SUPERVISE,
    ("POST", f"{ROOT}/scans/{{scan}}/marks"): _DECIDE,
    ("POST", f"{ROOT}/scans/{{scan}}/secondary"): _SUPERVISE,
    ("POST", f"{ROOT}/scans/{{scan}}/inspect"): _ENGINEER,
    ("GET", f"{ROOT}/scans/{{scan}}/story"): _SUPERVISE,
    ("GET", f"{ROOT}/referrals"): _SUPERVISE,
    ("GET", f"{ROOT}/statistics"): _COUNT,
    ("GET", f"{ROOT}/accounts"): _ADMINISTER,
    ("POST", f"{ROOT}/accounts"): _ADMINISTER,
    ("PATCH", f"{ROOT}/accounts/{{name}}"): _ADMINISTER,
    ("POST", f"{ROOT}/accounts/{{name}}/password"): _ADMINISTER,
    ("GET", f"{ROOT}/tokens"): _ADMINISTER,
    ("POST", f"{ROOT}/tokens"): _ADMINISTER,
    ("DELETE", f"{ROOT}/tokens/{{token}}"): _ADMINISTER,
    ("GET", f"{ROOT}/models"): _ENGINEER,
    ("GET", f"{ROOT}/audit"): _ADMINISTER,
    ("GET", f"{ROOT}/audit/export"): _ADMINISTER,
    ("GET", f"{ROOT}/audit/verification"): _ADMINISTER,
    ("GET", f"{ROOT}/events"): _WATCH,
    ("GET", f"{ROOT}/openapi.json"): _EVERYBODY,
    ("GET", "/health/live"): _EVERYBODY,
    ("GET", "/health/ready"): _EVERYBODY,
    ("GET", "/metrics"): _METRICS,
}
"""By method and address. Where the address names a lane or a scan, it has to be one that the asker may see, too."""
