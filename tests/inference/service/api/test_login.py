"""Signing in and out: cookies, guards, ends of sessions, guessing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, literal, select, update

from cargosight_inference.service.api.errors import ApiError
from cargosight_inference.service.api.login_guard import (
    FREE_OF_NAME,
    LONGEST_WAIT_SECONDS,
    MOST_OF_ADDRESS,
    MOST_OF_PAIR,
    SPAN_SECONDS,
    LoginGuard,
)
from cargosight_inference.service.database.engine import as_text, as_time
from cargosight_inference.service.database.tables import ACCOUNTS, SESSIONS
from cargosight_inference.service.records import accounts, audit
from tests.made.service import PASSWORD, MadeDesk, TestClient, client_of, made_desk, sign_in

V1 = "/api/v1"


def login(client: TestClient, name: str = "olga", password: str = PASSWORD) -> Any:
    return client.post(f"{V1}/login", json={"name": name, "password": password})


def actions(desk: MadeDesk) -> list[tuple[str, str, dict[str, Any]]]:
    with desk.database.reading() as connection:
        return [(each.actor, each.action, dict(each.detail)) for each in audit.records(connection)]


def test_a_person_signs_in_works_and_signs_out(desk: MadeDesk, nobody: TestClient) -> None:
    answer = login(nobody)
    assert answer.status_code == 200
    assert answer.json()["account"]["name"] == "olga"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    assert "Secure" not in cookie and "Max-Age" not in cookie
    me = nobody.get(f"{V1}/me").json()
    assert me == {
        "name": "olga",
        "role": "operator",
        "lanes": ["lane-1"],
        "csrf": answer.json()["csrf"],
        "must_change_password": False,
    }
    assert nobody.post(f"{V1}/logout", headers={"X-CSRF-Token": me["csrf"]}).status_code == 204
    assert nobody.get(f"{V1}/me").status_code == 401
    assert [(actor, action) for actor, action, _ in actions(desk)] == [("olga", "login"), ("olga", "logout")]


def test_under_tls_the_cookie_is_bound_to_the_host(tmp_path: Path, template: Path) -> None:
    tls = {"certificate": tmp_path / "c.pem", "key": tmp_path / "k.pem"}
    with made_desk(tmp_path, template, tls=tls) as desk:
        answer = login(client_of(desk))
        assert answer.headers["set-cookie"].startswith("__Host-cargosight_session=")
        assert "Secure" in answer.headers["set-cookie"]
        assert "max-age" in answer.headers["strict-transport-security"]
        # the other name, which anybody on the network could set, is none
        headers = sign_in(desk, "olga")
        assert client_of(desk).get(f"{V1}/me", headers=headers).status_code == 401


def test_a_wrong_password_and_an_unknown_name_are_one_answer(desk: MadeDesk, nobody: TestClient) -> None:
    wrong, unknown = login(nobody, "olga", "wrong-secret"), login(nobody, "my-secret-password", "x")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert "set-cookie" not in wrong.headers
    found = actions(desk)
    assert [(action, detail["account"]) for _, action, detail in found] == [
        ("login.failed", "olga"),
        ("login.failed", None),
    ]
    assert "secret" not in str(found)


def test_capitals_of_a_name_do_not_matter(desk: MadeDesk, nobody: TestClient) -> None:
    answer = login(nobody, "OLGA")
    assert answer.status_code == 200 and answer.json()["account"]["name"] == "olga"
    assert login(nobody, "Olga", "wrong").status_code == 401
    assert [(actor, action) for actor, action, _ in actions(desk)] == [
        ("olga", "login"),
        ("service", "login.failed"),
    ]
    assert actions(desk)[1][2]["account"] == "olga"
    with desk.database.writing() as connection:  # as older versions let it be
        connection.execute(
            insert(ACCOUNTS).from_select(
                ["name", "role", "password_hash", "must_change_password", "disabled", "created_at"],
                select(
                    literal("Olga"),
                    ACCOUNTS.c.role,
                    ACCOUNTS.c.password_hash,
                    ACCOUNTS.c.must_change_password,
                    ACCOUNTS.c.disabled,
                    ACCOUNTS.c.created_at,
                ).where(ACCOUNTS.c.name == "olga"),
            )
        )
    assert login(nobody, "Olga").json()["account"]["name"] == "Olga"
    assert login(nobody, "olga").json()["account"]["name"] == "olga"
    assert login(nobody, "OLGA").status_code == 401


def test_who_is_disabled_does_not_sign_in(
    desk: MadeDesk, nobody: TestClient, client: Callable[[str], TestClient]
) -> None:
    working = client("olga")
    with desk.database.writing() as connection:
        accounts.change(connection, "olga", disabled=True, by="ada")
    assert working.get(f"{V1}/me").status_code == 401
    assert login(nobody).status_code == 401


def test_guessing_an_account_is_slowed_down(desk: MadeDesk, nobody: TestClient) -> None:
    for _ in range(MOST_OF_PAIR):
        assert login(nobody, "olga", "wrong").status_code == 401
    answer = login(nobody, "olga", PASSWORD)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= SPAN_SECONDS + 1
    assert login(nobody, "oskar").status_code == 200  # another person of the same desk
    assert len([action for _, action, _ in actions(desk) if action == "login.failed"]) == MOST_OF_PAIR


def test_guessing_from_an_address_is_slowed_down() -> None:
    time = [0.0]
    guard = LoginGuard(lambda: time[0])

    def guess(name: str, address: str, outcome: Any = "wrong") -> None:
        with guard.attempt(name, address) as attempt:
            attempt.outcome = outcome

    for number in range(MOST_OF_ADDRESS):
        guess(f"name-{number}", "10.0.0.1")
    with pytest.raises(ApiError) as caught:
        guess("olga", "10.0.0.1")
    assert caught.value.status == 429 and caught.value.retry_after == SPAN_SECONDS
    guess("olga", "10.0.0.2", "right")
    time[0] = SPAN_SECONDS
    guess("olga", "10.0.0.1")


class Guesses:
    """Passwords that are tried at a time that is set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.guard = LoginGuard(lambda: self.now)

    def __call__(self, name: str, address: str, outcome: Any = "wrong") -> int:
        """Return how many seconds the guess has to wait, 0 where it was looked at."""
        try:
            with self.guard.attempt(name, address) as attempt:
                attempt.outcome = outcome
        except ApiError as error:
            assert error.status == 429 and error.retry_after is not None
            return error.retry_after
        return 0


def test_failures_elsewhere_slow_a_name_and_do_not_lock_it() -> None:
    guess = Guesses()
    for _ in range(MOST_OF_PAIR):
        assert guess("admin", "10.0.0.66") == 0
    assert guess("admin", "10.0.0.66") == SPAN_SECONDS
    assert guess("ADMIN", "10.0.0.66") == SPAN_SECONDS
    assert guess("admin", "10.0.0.1", "right") == 1
    guess.now += 1.0
    assert guess("admin", "10.0.0.1", "right") == 0
    for number in range(40):  # one address after the other
        guess.now += LONGEST_WAIT_SECONDS
        assert guess("admin", f"10.0.1.{number}") == 0
        assert guess("admin", f"10.0.2.{number}") in (1, 2, 4, 8)


def test_who_has_signed_in_from_an_address_is_not_held_up_there() -> None:
    guess = Guesses()
    assert guess("admin", "10.0.0.1", "right") == 0
    for number in range(MOST_OF_ADDRESS + FREE_OF_NAME):
        guess("admin", f"10.0.1.{number}")
        guess(f"name-{number}", "10.0.0.1")
    assert guess("olga", "10.0.0.1", "right") > 8  # the address has had too many
    assert guess("admin", "10.0.0.2", "right") in (1, 2, 4, 8)
    assert guess("admin", "10.0.0.1", "right") == 0
    for _ in range(MOST_OF_PAIR):
        assert guess("admin", "10.0.0.1") == 0
    assert guess("admin", "10.0.0.1", "right") == SPAN_SECONDS  # guessed at that desk itself


def test_right_passwords_and_errors_are_no_failures() -> None:
    guard = LoginGuard()
    for outcome in ("right", "unknown") * 15:
        with guard.attempt("olga", "10.0.0.1") as attempt:
            attempt.outcome = outcome  # type: ignore[assignment]
    for _ in range(10):
        with pytest.raises(RuntimeError), guard.attempt("olga", "10.0.0.1"):
            raise RuntimeError("the database does not answer")
    for _ in range(MOST_OF_PAIR - 1):
        with guard.attempt("olga", "10.0.0.1") as attempt:
            attempt.outcome = "wrong"
    with guard.attempt("olga", "10.0.0.1") as attempt:
        attempt.outcome = "right"
    with guard.attempt("olga", "10.0.0.1"):
        pass


def test_of_many_tries_at_once_no_more_are_looked_at() -> None:
    guard = LoginGuard()
    with guard.attempt("olga", "10.0.0.1"), guard.attempt("olga", "10.0.0.1"):
        pass
    for _ in range(MOST_OF_PAIR - 1):
        with guard.attempt("olga", "10.0.0.1") as attempt:
            attempt.outcome = "wrong"
    with guard.attempt("olga", "10.0.0.1"), pytest.raises(ApiError), guard.attempt("olga", "10.0.0.1"):
        pass


@pytest.mark.parametrize(
    ("column", "age"), [("expires_at", timedelta(seconds=-1)), ("seen_at", -timedelta(minutes=61))]
)
def test_a_session_ends(
    desk: MadeDesk, client: Callable[[str], TestClient], column: str, age: timedelta
) -> None:
    working = client("olga")
    assert working.get(f"{V1}/me").status_code == 200
    with desk.database.writing() as connection:
        connection.execute(update(SESSIONS).values(**{column: as_text(datetime.now(UTC) + age)}))
    assert working.get(f"{V1}/me").status_code == 401


def test_use_is_noted_once_a_minute_and_what_a_console_does_by_itself_is_none(
    desk: MadeDesk, client: Callable[[str], TestClient]
) -> None:
    working = client("olga")

    def seen() -> datetime:
        with desk.database.reading() as connection:
            return as_time(connection.execute(select(SESSIONS.c.seen_at)).scalar_one())

    first = seen()
    working.get(f"{V1}/me")
    assert seen() == first
    earlier = first - timedelta(minutes=2)
    with desk.database.writing() as connection:
        connection.execute(update(SESSIONS).values(seen_at=as_text(earlier)))
    working.get(f"{V1}/lanes/lane-1")
    assert seen() == earlier
    working.get(f"{V1}/me")
    assert seen() >= first


def test_a_password_that_another_gave_has_to_be_changed_first(
    desk: MadeDesk, nobody: TestClient, client: Callable[[str], TestClient]
) -> None:
    given = client("ada").post(f"{V1}/accounts/olga/password").json()["one_time_password"]
    csrf = {"X-CSRF-Token": login(nobody, "olga", given).json()["csrf"]}
    assert nobody.get(f"{V1}/me").json()["must_change_password"] is True
    refused = nobody.get(f"{V1}/lanes")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "password_change_needed")

    def change(current: str, new: str) -> Any:
        return nobody.post(f"{V1}/me/password", json={"current": current, "new": new}, headers=csrf)

    assert change("wrong", "a new long one").json()["error"]["code"] == "wrong_password"
    assert change(given, given).json()["error"]["code"] == "same_password"
    assert change(given, "short").json()["error"]["code"] == "weak_password"
    assert change(given, "a new long one").status_code == 204
    assert nobody.get(f"{V1}/lanes").status_code == 200
    names = [action for _, action, _ in actions(desk)]
    assert names.count("account.password_changed") == 1
    assert names.count("account.password_refused") == 1
    assert "a new long one" not in str(actions(desk)) and given not in str(actions(desk))


def test_a_changed_password_ends_the_other_sessions(client: Callable[[str], TestClient]) -> None:
    here, elsewhere = client("olga"), client("olga")
    body = {"current": PASSWORD, "new": "another calm river"}
    assert here.post(f"{V1}/me/password", json=body).status_code == 204
    assert here.get(f"{V1}/me").status_code == 200
    assert elsewhere.get(f"{V1}/me").status_code == 401


@pytest.mark.parametrize("header", ["Bearer cst_nobody", "bearer ", "Bearer " + "x" * 5000])
def test_an_unknown_token_is_nobody(nobody: TestClient, header: str) -> None:
    answer = nobody.get(f"{V1}/me", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
