"""Signing in by OpenID Connect, against an issuer that runs here: who gets in, as whom, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bundles import ngram_bundle
from console_parts import Browser, Place, visit
from issuer import CLIENT, SECRET, Issuer
from jangin.audit.verify import read as read_audit
from jangin.console import oidc
from jangin.console.provider import Provider, read_provider
from jangin.console.rooms import Rooms
from jangin.errors import InputError
from jangin.serve.config import read_config
from jangin.serve.run import serve

pytest.importorskip("jwt", reason="the extra 'oidc' is not installed")
ROLES = [
    {"claim": "groups", "value": ["ml-admins", "root"], "roles": ["ask", "admin"]},
    {"claim": "realm.roles", "value": "shop", "roles": ["ask"], "tasks": ["desk"]},
    {"claim": "email", "value": "Bo@Example.com", "roles": ["metrics"]},
]


@pytest.fixture(scope="module")
def running() -> Iterator[Issuer]:
    found = Issuer()
    yield found
    found.close()


@pytest.fixture
def issuer(running: Issuer) -> Issuer:
    """As it is when nobody has told it anything."""
    running.signs, running.twist, running.forged, running.document = (running.rsa, "RS256", "r1"), dict, None, {}
    running.published = [running.jwk(running.rsa, "r1"), running.jwk(running.ec, "e1")]
    running.person = {"sub": "u-1", "groups": ["ml-admins"], "name": "Ana Kim"}
    running.asked = []
    return running


def provider(at: Issuer, **more: Any) -> Provider:
    value = {"issuer": at.url, "client_id": CLIENT, "client_secret_env": "OIDC", "address": "http://127.0.0.1"}
    return read_provider({**value, "roles": ROLES, **more}, "server.yaml", {"OIDC": SECRET})


@pytest.fixture
def place(tmp_path: Path, issuer: Issuer) -> Iterator[Place]:
    found = Place(tmp_path / "state")
    found.rooms = Rooms(found.folder / "console", provider=provider(issuer))
    yield found
    found.close()


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return ngram_bundle(tmp_path / "desk")


async def leave(browser: Browser, to: str = "") -> str:
    """Off to the issuer, and where it sends the browser back to."""
    answer = await browser.client.get("/console/signin/oidc", params={"to": to})
    assert answer.status_code == 303, answer.text
    cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("jangin_signin="))
    assert "HttpOnly; SameSite=Lax; Max-Age=600" in cookie
    async with httpx.AsyncClient() as outside:
        return (await outside.get(answer.headers["location"])).headers["location"]


async def arrive(browser: Browser, address: str) -> httpx.Response:
    parts = urlsplit(address)
    return await browser.client.get(f"{parts.path}?{parts.query}")


async def sign_in(browser: Browser, to: str = "") -> httpx.Response:
    return await arrive(browser, await leave(browser, to))


def audited(place: Place, kind: str) -> list[dict[str, Any]]:
    return [each.fields for each in read_audit(place.folder / "audit")[0] if each.kind == kind]


def test_somebody_signs_in_and_is_who_the_issuer_says(place: Place, desk: Path, issuer: Issuer) -> None:
    async def work(browser: Browser, fleet: Any) -> None:
        assert "/console/signin/oidc?to=/console" in (await browser.get("")).text
        answer = await sign_in(browser, "/console/ledger?span=7")
        assert answer.status_code == 200 and 'content="0;url=/console/ledger?span=7"' in answer.text
        assert "Ana Kim" in answer.text
        kept = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("jangin_console="))
        assert "HttpOnly; SameSite=Strict" in kept
        for path in ("", "/ledger", "/audit", "/keys", "/new"):
            assert (await browser.get(path)).status_code == 200, path
        await browser.get("/try")
        asked = await browser.post("/try", {"text": "I lost my card", "model": "desk", "other": ""})
        assert "card_lost" in asked.text
        assert "Ana Kim" in (await browser.get("/audit")).text
        assert (await browser.post("/signout")).url.path == "/console/signin"
        assert (await browser.get("/ledger")).url.path == "/console/signin"

    visit(place, [desk], work)
    [entry] = audited(place, "console.signin")
    assert (entry["roles"], entry["name"], entry["issuer"]) == (["ask", "admin"], "Ana Kim", issuer.url)
    [row] = [*place.ledger.query(_all()).rows]
    assert row.key_id == entry["key"] and row.key_id.startswith("oidc_")
    left = audited(place, "egress.signin")
    assert [each["what"] for each in left] == ["discovery", "code", "keys"]
    assert {each["to"] for each in left} == {issuer.url} and left[1]["bytes"] > 100


def _all() -> Any:
    from jangin.ledger.row import Filter

    return Filter(task="desk")


@pytest.mark.parametrize(
    ("person", "roles", "tasks"),
    [
        ({"groups": "root"}, ("ask", "admin"), None),
        ({"realm": {"roles": ["other", "shop"]}}, ("ask",), ("desk",)),
        ({"email": "bo@example.com", "email_verified": True}, ("metrics",), None),
        ({"realm": {"roles": ["shop"]}, "groups": ["root"]}, ("ask", "admin"), None),
        ({"email": "bo@example.com", "email_verified": False}, None, None),
        ({"email": "bo@example.com"}, None, None),
        ({"groups": ["ml-admin", "ML-ADMINS"]}, None, None),
        ({"realm": "shop"}, None, None),
        ({}, None, None),
    ],
)
def test_claims_become_roles_as_the_operator_wrote(issuer: Issuer, person: Any, roles: Any, tasks: Any) -> None:
    found = provider(issuer).person({"sub": "u-1", **person})
    assert (found and found.roles, found and found.tasks) == (roles, tasks)


def test_a_role_bounds_what_is_seen(place: Place, desk: Path, issuer: Issuer, tmp_path: Path) -> None:
    other = ngram_bundle(tmp_path / "other", "other")
    issuer.person = {"sub": "u-2", "realm": {"roles": ["shop"]}}

    async def work(browser: Browser, fleet: Any) -> None:
        await sign_in(browser)
        text = (await browser.get("")).text
        assert "/console/tasks/desk" in text and "/console/tasks/other" not in text
        for path in ("/audit", "/keys", "/tasks/other", "/review"):
            assert (await browser.get(path)).status_code == 403, path
        assert (await browser.post("/unload", {"model": "desk"})).status_code == 403

    visit(place, [desk, other], work)


def test_somebody_without_a_role_is_told_so_and_gets_no_session(place: Place, desk: Path, issuer: Issuer) -> None:
    issuer.person = {"sub": "u-9", "groups": ["sales"]}

    async def work(browser: Browser, fleet: Any) -> None:
        answer = await sign_in(browser)
        assert answer.status_code == 403 and "no role here is yours" in answer.text
        assert "jangin_console=" not in answer.headers.get("set-cookie", "")
        assert (await browser.get("")).url.path == "/console/signin"

    visit(place, [desk], work)
    assert audited(place, "console.refused") == [{"issuer": issuer.url, "subject": "u-9"}]


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _unsigned(claims: dict[str, Any]) -> str:
    return f"{_encoded({'alg': 'none'})}.{_encoded(claims)}."


def _by_public_key(issuer: Issuer) -> Callable[[dict[str, Any]], str]:
    """HS256 with the published key as the secret: the old confusion of algorithms."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    secret = issuer.rsa.public_key().public_bytes(serialization.Encoding.PEM, form)

    def forge(claims: dict[str, Any]) -> str:
        said = f"{_encoded({'alg': 'HS256', 'kid': 'r1'})}.{_encoded(claims)}"
        mark = hmac.new(secret, said.encode(), hashlib.sha256).digest()
        return f"{said}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"

    return forge


def _changed(issuer: Issuer) -> Callable[[dict[str, Any]], str]:
    """A real signature under other claims."""

    def forge(claims: dict[str, Any]) -> str:
        head, _, mark = issuer.sign({**claims, "groups": []}).split(".")
        return f"{head}.{_encoded(claims)}.{mark}"

    return forge


def _twisted(**claims: Any) -> Callable[[Issuer], None]:
    def twist(issuer: Issuer) -> None:
        issuer.twist = lambda found: {name: each for name, each in {**found, **claims}.items() if each is not None}

    return twist


def _forged(make: Callable[[Issuer], Callable[[dict[str, Any]], str]]) -> Callable[[Issuer], None]:
    def forge(issuer: Issuer) -> None:
        issuer.forged = make(issuer)

    return forge


def _signed(kid: str | None, algorithm: str = "RS256") -> Callable[[Issuer], None]:
    def sign(issuer: Issuer) -> None:
        issuer.signs = (rsa.generate_private_key(public_exponent=65537, key_size=2048), algorithm, kid)

    return sign


WRONG = {
    "nonce": (_twisted(nonce="another"), "belongs to another sign-in"),
    "no nonce": (_twisted(nonce=None), "belongs to another sign-in"),
    "audience": (_twisted(aud="another-client"), "InvalidAudienceError"),
    "two audiences": (_twisted(aud=[CLIENT, "another"]), "made for another program"),
    "azp": (_twisted(azp="another"), "made for another program"),
    "issuer": (_twisted(iss="https://evil.example"), "InvalidIssuerError"),
    "expired": (_twisted(exp=int(time.time()) - 3_600), "ExpiredSignatureError"),
    "no expiry": (_twisted(exp=None), "MissingRequiredClaimError"),
    "from the future": (_twisted(iat=int(time.time()) + 3_600), "ImmatureSignatureError"),
    "no subject": (_twisted(sub=None), "MissingRequiredClaimError"),
    "alg none": (_forged(lambda _: _unsigned), "which is not taken"),
    "alg HS256": (_forged(_by_public_key), "which is not taken"),
    "changed": (_forged(_changed), "InvalidSignatureError"),
    "another key": (_signed("r1"), "InvalidSignatureError"),
    "unknown key": (_signed("r9"), "does not publish"),
    "EC key under RSA's name": (_signed("e1"), "does not publish"),
    "no token": (_forged(lambda _: lambda claims: "x.y"), "DecodeError"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_token_that_does_not_hold_signs_nobody_in(place: Place, issuer: Issuer, name: str) -> None:
    tell, told = WRONG[name]
    tell(issuer)

    async def work(browser: Browser, fleet: Any) -> None:
        answer = await sign_in(browser)
        assert answer.status_code == 403 and told in answer.text, answer.text[-700:]
        assert "jangin_console=" not in answer.headers.get("set-cookie", "")
        assert (await browser.get("")).url.path == "/console/signin"

    visit(place, [], work)
    assert audited(place, "console.signin") == []


def test_elliptic_keys_and_keys_that_are_new_are_taken(place: Place, issuer: Issuer) -> None:
    fresh = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    async def work(browser: Browser, fleet: Any) -> None:
        issuer.signs = (issuer.ec, "ES256", "e1")
        assert (await sign_in(browser)).status_code == 200
        issuer.signs, issuer.published = (fresh, "PS256", None), [issuer.jwk(fresh, "new", alg="PS256")]
        assert (await sign_in(browser)).status_code == 403  # asked for anew at most once in half a minute

    visit(place, [], work)
    assert issuer.asked.count("/keys") == 1
    place.rooms = Rooms(place.folder / "console", provider=provider(issuer))

    async def later(browser: Browser, fleet: Any) -> None:
        assert (await sign_in(browser)).status_code == 200

    visit(place, [], later)


def test_an_answer_is_good_once_in_the_browser_that_asked_and_for_its_state(place: Place, issuer: Issuer) -> None:
    async def work(browser: Browser, fleet: Any) -> None:
        address = await leave(browser)
        kept = browser.client.cookies["jangin_signin"]
        stranger = await browser.client.get(address.replace("http://127.0.0.1", ""), headers={"cookie": ""})
        assert stranger.status_code == 403
        state = parse_qs(urlsplit(address).query)["state"][0]
        assert (await arrive(browser, address.replace(state, "x" * 43))).status_code == 403
        assert (
            await arrive(browser, address.replace("iss=", "iss=https%3A%2F%2Fevil.example&was="))
        ).status_code == 403
        address = await leave(browser)
        kept = browser.client.cookies["jangin_signin"]
        assert (await arrive(browser, address)).status_code == 200
        again = await browser.client.get(
            address.replace("http://127.0.0.1", ""), headers={"cookie": f"jangin_signin={kept}"}
        )
        assert again.status_code == 403 and "begin it again" in again.text
        for query in ("", "?state=", "?code=a&state=b", "?error=access_denied&state=x"):
            assert (await browser.client.get(f"/console/signin/callback{query}")).status_code == 403, query

    visit(place, [], work)
    assert len(audited(place, "console.signin")) == 1


def test_a_refusal_of_the_issuer_is_told_by_its_code_alone(place: Place, issuer: Issuer) -> None:
    async def work(browser: Browser, fleet: Any) -> None:
        for error, told in (("access_denied", "(access_denied)"), ("<script>alert(1)</script>", "(error)")):
            state = parse_qs(urlsplit(await leave(browser)).query)["state"][0]
            query = {"error": error, "error_description": "<b>words</b>", "state": state}
            answer = await browser.client.get("/console/signin/callback", params=query)
            assert answer.status_code == 403 and told in answer.text and "words" not in answer.text

    visit(place, [], work)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"issuer": "https://another.example"}, "names another issuer"),
        ({"token_endpoint": "https://tokens.example/t"}, "the operator&#39;s file does not name"),
        ({"jwks_uri": None}, "has no jwks_uri"),
        ({"authorization_endpoint": "http://login.example/"}, "the operator&#39;s file does not name"),
    ],
)
def test_nothing_goes_where_the_operator_named_nothing(place: Place, issuer: Issuer, document: Any, told: str) -> None:
    issuer.document = document

    async def work(browser: Browser, fleet: Any) -> None:
        begun = await browser.client.get("/console/signin/oidc")
        answer = begun if begun.status_code != 303 else await sign_in(browser)
        assert answer.status_code in (403, 503) and told in answer.text, answer.text

    visit(place, [], work)
    assert "/token" not in issuer.asked and all(each["to"] == issuer.url for each in audited(place, "egress.signin"))


def test_an_issuer_that_is_away_is_told_and_keys_still_open(place: Place, desk: Path, tmp_path: Path) -> None:
    away = Issuer()
    place.rooms = Rooms(place.folder / "console", provider=provider(away))
    away.close()
    secret = place.key("root", "ask", "admin")

    async def work(browser: Browser, fleet: Any) -> None:
        answer = await browser.client.get("/console/signin/oidc")
        assert answer.status_code == 503 and "gives no usable answer" in answer.text
        assert "sign in with a key" in answer.text
        assert (await browser.sign_in(secret)).url.path == "/console"

    visit(place, [desk], work)


def test_who_has_not_signed_in_can_fill_neither_the_audit_log_nor_the_issuers_day(
    place: Place, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "MOST_A_MINUTE", 3)
    monkeypatch.setattr(oidc, "REST_S", 600.0)

    async def work(browser: Browser, fleet: Any) -> None:
        for number in range(6):
            state = parse_qs(urlsplit(await leave(browser)).query)["state"][0]
            query = {"code": "guessed", "state": state}
            answer = await browser.client.get("/console/signin/callback", params=query)
            assert answer.status_code == (403 if number < 3 else 429), number

    visit(place, [], work)
    assert issuer.asked.count("/token") == 3 and len(audited(place, "egress.signin")) == 4
    issuer.document = {"issuer": "https://another.example"}
    place.rooms = Rooms(place.folder / "console", provider=provider(issuer))

    async def wrong(browser: Browser, fleet: Any) -> None:
        for _ in range(5):
            assert (await browser.client.get("/console/signin/oidc")).status_code == 503

    visit(place, [], wrong)
    assert len(audited(place, "egress.signin")) == 5


def test_what_cannot_be_written_down_is_not_sent(place: Place, issuer: Issuer) -> None:
    place.audit.append("server.started", {})
    (place.folder / "audit" / "audit-000001.jsonl").write_bytes(b"")  # a log that was cut takes nothing more

    async def work(browser: Browser, fleet: Any) -> None:
        answer = await browser.client.get("/console/signin/oidc")
        assert answer.status_code == 403 and "the audit log cannot be written" in answer.text

    visit(place, [], work)
    assert issuer.asked == []


def test_without_an_issuer_there_is_no_such_page(tmp_path: Path) -> None:
    place = Place(tmp_path / "state")

    async def work(browser: Browser, fleet: Any) -> None:
        for path in ("/signin/oidc", "/signin/callback?code=a&state=b"):
            assert (await browser.get(path)).status_code == 404, path
        assert "/signin/oidc" not in (await browser.get("/signin")).text

    visit(place, [], work)
    place.close()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"issuer": "http://login.example"}, "oidc.issuer is http://login.example: plain http over a network"),
        ({"isuer": "x"}, "unknown key 'oidc.isuer'"),
        ({"roles": []}, "oidc.roles is []; expected a list such as"),
        ({"roles": [{"claim": "groups", "value": "a", "roles": ["boss"]}]}, "oidc.roles[0].roles[0] is 'boss'"),
        ({"roles": [{"claim": "groups", "value": "a"}]}, "'oidc.roles[0].roles' is missing"),
        ({"address": "https://jangin.example/console"}, "oidc.address is"),
        ({"client_secret_env": "s3cret"}, "oidc.client_secret_env is no name of an environment variable"),
        ({"client_secret_env": "NOT_SET"}, "NOT_SET is not set"),
        ({"client_secret_file": "/etc/x"}, "names both client_secret_env and client_secret_file"),
        ({"client_secret_env": None, "client_secret_file": "/nowhere"}, "no secret can be read there"),
    ],
)
def test_an_operators_file_that_is_wrong_is_refused_by_key(issuer: Issuer, change: Any, told: str) -> None:
    with pytest.raises(InputError) as raised:
        provider(issuer, **change)
    assert told in raised.value.message and SECRET not in str(raised.value)


def test_the_operators_file_holds_it_beside_egress_and_servers_it_cannot_serve_refuse_it(
    issuer: Issuer, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n", "utf-8")
    rules = json.dumps(ROLES)
    file = tmp_path / "server.yaml"
    secret = f"client_secret_file: {tmp_path / 'secret'}"
    about = f"issuer: '{issuer.url}', client_id: {CLIENT}, {secret}, address: 'https://j.example', roles: {rules}"
    file.write_text(f"egress: {{egress: deny}}\noidc: {{{about}}}\n", "utf-8")
    found = read_config(file).provider
    assert found is not None and (found.secret, found.address) == (SECRET, "https://j.example")
    assert SECRET not in repr(found) and SECRET not in f"{found}"
    for options, told in (
        ({"open_to_all": True, "state": tmp_path / "s"}, "answers without keys"),
        ({"open_to_all": False, "state": tmp_path / "s", "console": False}, "has no console"),
    ):
        with pytest.raises(InputError, match=told):
            serve([], config=file, **{"console": True, **options})
