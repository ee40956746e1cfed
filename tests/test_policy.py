"""`policy:` of the task file, the operator's side of it, and that the operator can only narrow it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from data_files import refused
from jangin.egress.server import Server, effective, read_server
from jangin.errors import InputError, TaskError
from jangin.policy import Allowed, Budget, Leaving, Policy, origin_of, read_policy
from jangin.task import load_task

FULL = """
egress: allow
unsure: escalate
endpoints:
  - {url: "https://API.openai.com:443/v1", models: [gpt-4o, gpt-4o-mini]}
  - {url: "http://10.0.0.7:8000", models: [qwen]}
fields: {roles: [system, user], keys: [message, 나라], parameters: [response_format]}
redact: none
target: 0.97
confidence: 0.9
audit: 0.01
budget: {usd_per_day: 2, usd_per_month: 30}
capture: {keep_days: 30}
"""
ALLOW = "egress: allow\nendpoints: [{url: https://a.example, models: [m]}]\n"


def read(text: str) -> Policy:
    return read_policy(yaml.safe_load(text), "task.yaml")


def test_every_key_is_read() -> None:
    assert read(FULL) == Policy(
        egress="allow",
        unsure="escalate",
        endpoints=(
            Allowed("https://api.openai.com", ("gpt-4o", "gpt-4o-mini")),
            Allowed("http://10.0.0.7:8000", ("qwen",)),
        ),
        fields=Leaving(("system", "user"), ("message", "나라"), ("response_format",)),
        redact="none",
        target=0.97,
        confidence=0.9,
        audit=0.01,
        budget=Budget(2, 30),
        keep_days=30,
    )


def test_what_is_left_out_is_strict() -> None:
    assert read("{}") == Policy(
        *("deny", "abstain", (), Leaving(("user",), None, ()), "pii", None, 0.95, 0.0, Budget(), None, None)
    )
    allowed = read(ALLOW)
    assert (allowed.redact, allowed.fields.roles, allowed.keep_days) == ("pii", ("user",), None)


@pytest.mark.parametrize(
    "text", ["{}", ALLOW, FULL, "{unsure: refuse, target: 0.8}", "{texts: {keep_days: 7}}", "{capture: off}"]
)
def test_the_document_reads_back_as_the_same_policy(text: str) -> None:
    policy = read(text)
    assert read_policy(policy.document(), "task.yaml") == policy


def test_a_task_keeps_its_hash_when_only_the_way_out_changes(tmp_path: Path) -> None:
    def task(policy: str) -> Any:
        (tmp_path / "task.yaml").write_text(f"name: a\nkind: classify\ndata: a.csv\n{policy}", encoding="utf-8")
        return load_task(tmp_path)

    plain, stated = task(""), task("policy: {egress: deny, unsure: abstain}\n")
    # of the version before endpoints, fields, budget and capture: specialists that were trained then stay certified
    assert plain.hash == stated.hash == "3d7416c59061c1a215ac3cd59462c08c2d0c9f978aa5774898ef71a876b76efa"
    out = "policy: {egress: allow, endpoints: [{url: https://a.example, models: [m]}]%s}\n"
    assert task(out % "").hash == task(out % ", budget: {usd_per_day: 1}, capture: {keep_days: 3}").hash != plain.hash
    assert task(out % ", target: 0.9").hash != task(out % "").hash
    assert task(out % ", target: 0.9").document()["policy"]["target"] == 0.9


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{egress: allow, endpoint: []}", "unknown key 'policy.endpoint'", "did you mean 'endpoints'?"),
        (
            "{unsure: escalat}",
            "policy.unsure is 'escalat'; expected one of escalate, abstain, refuse",
            "did you mean 'escalate'?",
        ),
        (
            "{unsure: escalate}",
            "policy.unsure is escalate, but policy.egress is deny: nothing may leave",
            "write 'egress: allow' with its endpoints, or 'unsure: abstain'",
        ),
        (
            "{egress: deny, budget: {usd_per_day: 1}}",
            "policy.budget says what may leave, but policy.egress is deny",
            "remove it, or write 'egress: allow'",
        ),
        (
            "{confidence: 0.9}",
            "policy.confidence belongs to a promise, but policy.target makes none",
            "write 'target: 0.95', say, or remove it",
        ),
        ("{target: 0.9, audit: 1}", "policy.audit is 1; expected a share above 0 and below 1", None),
        ("{redact: pii}", "policy.redact says what may leave, but policy.egress is deny", None),
        ("{capture: {keep_days: 2}}", "policy.capture says what may leave, but policy.egress is deny", None),
        ("{egress: allow}", "policy.egress is allow, but policy.endpoints names no endpoint", None),
        (
            "{egress: allow, endpoints: []}",
            "policy.endpoints is []; expected a list such as [{url: https://api.openai.com, models: [gpt-4o]}]",
            None,
        ),
        (
            "{egress: allow, endpoints: [{url: ftp://a, models: [m]}]}",
            "policy.endpoints[0].url is 'ftp://a'; expected an address such as https://api.openai.com",
            None,
        ),
        (
            "{egress: allow, endpoints: [{url: 'https://me:secret@a.example', models: [m]}]}",
            "policy.endpoints[0].url is '...'; expected an address such as https://api.openai.com",
            None,
        ),
        ("{egress: allow, endpoints: [{url: https://a.example}]}", "'policy.endpoints[0].models' is missing", None),
        (
            "{egress: allow, endpoints: [{url: https://a, model: [m]}]}",
            "unknown key 'policy.endpoints[0].model'",
            "did you mean 'models'?",
        ),
        (
            "{egress: allow, endpoints: [{url: https://a, models: [m]}, {url: 'https://A:443/v2', models: [n]}]}",
            "policy.endpoints names https://a twice",
            "list its models in one entry",
        ),
        (ALLOW + "fields: {role: [user]}", "unknown key 'policy.fields.role'", "did you mean 'roles'?"),
        (
            ALLOW + "fields: {roles: [usr]}",
            "policy.fields.roles[0] is 'usr'; expected one of system, developer, user, assistant",
            "did you mean 'user'?",
        ),
        (ALLOW + "fields: {keys: []}", "policy.fields.keys is []; expected a list of keys of a JSON object", None),
        (ALLOW + "fields: {keys: [a, a]}", "policy.fields.keys names 'a' twice", "keep one of them"),
        (
            ALLOW + "fields: {parameters: [tools]}",
            "policy.fields.parameters[0] is 'tools'; expected one of response_format, stop",
            None,
        ),
        (ALLOW + "redact: names", "policy.redact is 'names'; expected one of pii, none", None),
        (ALLOW + "budget: {usd_per_week: 1}", "unknown key 'policy.budget.usd_per_week'", None),
        (ALLOW + "budget: {usd_per_day: 0}", "policy.budget.usd_per_day is 0; expected US dollars above 0", None),
        (ALLOW + "budget: {}", "policy.budget is {}; expected usd_per_day, usd_per_month or both", None),
        (
            ALLOW + "budget: {usd_per_day: 9, usd_per_month: 3}",
            "policy.budget.usd_per_day is more than policy.budget.usd_per_month",
            None,
        ),
        (
            ALLOW + "capture: on",
            "policy.capture is on, but does not say for how long texts are kept",
            "write 'policy.capture: {keep_days: 30}'",
        ),
        (ALLOW + "capture: {keep_days: 0}", "policy.capture.keep_days is 0; expected whole days from 1 to 3650", None),
        ("{target: 95}", "policy.target is 95; expected a number above 0.5 and below 1", None),
        ("{confidence: true}", "policy.confidence is True; expected a number above 0.5 and below 1", None),
        (
            "[deny]",
            "policy is ['deny']; expected keys out of egress, unsure, endpoints, fields, redact, target, confidence, "
            "audit, budget, capture, texts",
            None,
        ),
    ],
)
def test_a_wrong_or_contradicting_key_is_refused_by_name(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(TaskError) as error:
        read(text)
    found, mend = refused(error)
    assert found == f"task.yaml: {message}"
    assert hint is None or mend == hint


def test_an_origin_is_the_same_in_every_spelling() -> None:
    same = ["https://api.openai.com", "https://API.OpenAI.com/v1/", "https://api.openai.com:443/v1?x=1"]
    assert {origin_of(url) for url in same} == {"https://api.openai.com"}
    assert origin_of("http://[::1]:8000/v1") == "http://[::1]:8000"
    assert origin_of("http://은행.kr") == "http://xn--zs5b84x.kr"
    assert [origin_of(url) for url in ("", "a", "file:///x", "http://", "http://a:99999", "https://u:p@a")] == [
        None
    ] * 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{egress: allow}", "egress.egress is allow, but egress.upstreams names no API"),
        ("{upstreams: [{url: https://a/v1, key: sk-12345}]}", "unknown key 'egress.upstreams[0].key'"),
        (
            "{upstreams: [{url: https://a/v1, key_env: sk-12345}]}",
            "egress.upstreams[0].key_env is no name of an environment variable",
        ),
        (
            "{upstreams: [{url: http://10.1.1.1/v1}]}",
            "egress.upstreams[0].url: plain http to 10.1.1.1 would send texts and the key unencrypted over the network",
        ),
        ("{upstreams: [{url: https://a/v1}, {url: https://a/v2}]}", "egress.upstreams names https://a twice"),
        (
            "{upstreams: [{url: https://a/v1, tries: 0}]}",
            "egress.upstreams[0].tries is 0; expected a whole number from 1 to 20",
        ),
        (
            "{upstreams: [{url: https://a/v1, prices: {m: [1]}}]}",
            "egress.upstreams[0].prices.m is [1]; expected US dollars per million prompt and answer tokens: [2.5, 10]",
        ),
        ("{capture: {keep_days: 3}}", "egress.capture is on, but egress.capture_folder is missing"),
    ],
)
def test_a_wrong_configuration_of_the_server_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read_server(yaml.safe_load(text), "server.yaml")
    assert refused(error)[0] == f"server.yaml: {message}"
    assert "12345" not in str(error.value)


def test_a_server_that_says_nothing_lets_nothing_leave() -> None:
    denied = Policy(unsure="abstain", target=0.97, confidence=0.9, audit=0.01)
    assert effective(read(FULL), None) == effective(read(FULL), Server()) == denied
    upstream = {"upstreams": [{"url": "https://api.openai.com/v1"}]}
    assert effective(read(FULL), read_server({"egress": "deny", **upstream}, "s")) == denied
    assert effective(read(FULL), read_server({"egress": "allow", **upstream}, "s")).egress == "allow"


def test_a_server_narrows_endpoints_redaction_budget_and_capture() -> None:
    narrow = {
        "egress": "allow",
        "redact": "pii",
        "upstreams": [{"url": "https://api.openai.com/v1", "models": ["gpt-4o-mini", "o9"]}],
        "budget": {"usd_per_day": 5, "usd_per_month": 20},
        "capture": {"keep_days": 7},
        "capture_folder": "captured",
    }
    found = effective(read(FULL), read_server(narrow, "server.yaml"))
    assert found.endpoints == (Allowed("https://api.openai.com", ("gpt-4o-mini",)),)
    assert (found.redact, found.budget, found.keep_days) == ("pii", Budget(2, 20), 7)
    assert (found.fields, found.unsure) == (read(FULL).fields, "escalate")


_ORIGINS, _MODELS = ["https://a", "https://b", "http://localhost:1"], ["m", "n", "o"]
_usd = st.one_of(st.none(), st.integers(1, 9))
_budget = st.builds(Budget, _usd, _usd)
_days = st.one_of(st.none(), st.integers(1, 9))
_models = st.lists(st.sampled_from(_MODELS), min_size=1, unique=True).map(tuple)
_allowed = st.lists(st.builds(Allowed, st.sampled_from(_ORIGINS), _models), max_size=3, unique_by=lambda a: a.origin)
_policies = st.builds(
    Policy,
    egress=st.sampled_from(["allow", "deny"]),
    unsure=st.sampled_from(["escalate", "abstain", "refuse"]),
    endpoints=_allowed.map(tuple),
    redact=st.sampled_from(["pii", "none"]),
    budget=_budget,
    keep_days=_days,
)


@st.composite
def _servers(draw: Any) -> Server:
    upstreams = read_server({"upstreams": [{"url": url} for url in _ORIGINS]}, "s").upstreams
    chosen = draw(st.lists(st.sampled_from(upstreams), unique_by=lambda u: u.origin))
    return Server(
        egress=draw(st.sampled_from(["allow", "deny"])),
        redact=draw(st.sampled_from(["pii", "none"])),
        upstreams=tuple(chosen),
        budget=draw(_budget),
        keep_days=draw(_days),
    )


def _pairs(policy: Policy) -> set[tuple[str, str]]:
    return {(each.origin, name) for each in policy.endpoints for name in each.models}


def _within(found: float | None, *limits: float | None) -> bool:
    return all(limit is None or (found is not None and found <= limit) for limit in limits)


@settings(max_examples=200, deadline=None)
@given(_policies, _servers())
def test_what_holds_is_never_wider_than_the_task_or_the_server(policy: Policy, server: Server) -> None:
    found = effective(policy, server)
    assert effective(found, server) == found
    if found.egress == "deny":
        assert found.endpoints == () and found.unsure != "escalate" and found.keep_days is None
        return
    assert policy.egress == server.egress == "allow"
    assert _pairs(found) <= _pairs(policy)
    assert {origin for origin, _ in _pairs(found)} <= {each.origin for each in server.upstreams}
    assert found.redact == "pii" or (policy.redact, server.redact) == ("none", "none")
    assert _within(found.budget.usd_per_day, policy.budget.usd_per_day, server.budget.usd_per_day)
    assert _within(found.budget.usd_per_month, policy.budget.usd_per_month, server.budget.usd_per_month)
    if found.keep_days is not None:
        assert policy.keep_days and server.keep_days and found.keep_days <= min(policy.keep_days, server.keep_days)
