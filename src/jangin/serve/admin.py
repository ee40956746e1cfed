"""Who may administer, and the acts on keys: each stands in the audit log before it is done, and holds at once."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from starlette.types import Scope

from jangin.access.command import about
from jangin.access.keys import GRACE_S, LONGEST_S, NAME, Key, Keys, Limits, Role
from jangin.errors import RequestError
from jangin.serve import replies, wire
from jangin.serve.deliver import JSON, Reply
from jangin.serve.door import from_this_machine

if TYPE_CHECKING:
    from jangin.serve.app import Server
    from jangin.serve.door import Visit

NO_STORE = (b"cache-control", b"no-store")
Lasting = Annotated[float, msgspec.Meta(gt=0, le=LONGEST_S)]
R = TypeVar("R")


class KeyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """tasks: the specialists that it may ask, null for all. lasts_s: seconds until it ends, null for never."""

    name: Annotated[str, msgspec.Meta(pattern=f"^{NAME}$")]
    roles: Annotated[tuple[Role, ...], msgspec.Meta(min_length=1)] = ("ask",)
    tasks: list[str] | None = None
    limits: Limits = Limits()
    lasts_s: Lasting | None = None


class RotateRequest(msgspec.Struct, forbid_unknown_fields=True):
    """key: its id, or its name. grace_s: how long the older secrets hold yet."""

    key: str
    grace_s: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_S)] = GRACE_S


class RevokeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """key: its id, or its name."""

    key: str


def may_administer(scope: Scope, visit: Visit, behind_proxy: bool) -> None:
    """A key with the role `admin`; where the server has no keys, a program on this machine, since loading reads its
    folders.

    A page in a browser on this machine is not such a program: it cannot send JSON to another origin without asking
    first, and a name that was made to point here shows in `host`.
    """
    if not dict(scope["headers"]).get(b"content-type", b"").startswith(b"application/json"):
        raise RequestError("admin requests must have content-type application/json", status=415)
    permitted(scope, visit, behind_proxy, "admin requests", "admin")


def permitted(scope: Scope, visit: Visit, behind_proxy: bool, what: str, *roles: Role) -> None:
    """A key with one of the roles; where the server has no keys, a program on this machine.

    Raises: RequestError 403. what: is asked for, in the plural.
    """
    code = "admin_not_allowed" if roles == ("admin",) else "not_permitted"
    if visit.key is not None:
        if not set(roles) & set(visit.key.roles):
            named = " or ".join(f"'{role}'" for role in roles)
            raise RequestError(f"this key has not the role {named}", status=403, code=code)
        return
    client = scope.get("client")
    local = client is not None and ipaddress.ip_address(client[0]).is_loopback
    if behind_proxy or not local or b"host" not in dict(scope["headers"]) or not from_this_machine(scope):
        message = f"{what} are answered on this machine's loopback address only, and not behind a proxy"
        raise RequestError(message, status=403, code=code)


async def recorded(server: Server, visit: Visit, act: str, **what: Any) -> None:
    """Before it is done: an act that cannot be recorded is not done."""
    key = visit.key.id if visit.key else ""
    await server.door.record(f"admin.{act}", {**what, "key": key, "request": visit.request_id})


def listed(server: Server) -> dict[str, Any]:
    return {"object": "list", "data": [_about(key) for key in _keys(server)]}


async def create_key(server: Server, body: bytes, visit: Visit) -> Reply:
    request = wire.read(body, KeyRequest)
    keys = _keys(server)
    if any(key.name == request.name and key.revoked is None for key in keys):
        message = f"there is a key named '{request.name}' already; rotate or revoke it, or take another name"
        raise RequestError(message, status=409, param="name", code="key_exists")
    roles: tuple[Role, ...] = tuple(dict.fromkeys(request.roles))
    what = {"name": request.name, "roles": roles, "tasks": request.tasks, "lasts_s": request.lasts_s}
    await recorded(server, visit, "keys.create", **what, limits=msgspec.to_builtins(request.limits))

    def add(file: Keys) -> tuple[Key, str]:
        limits, lasts_s = request.limits, request.lasts_s
        return file.add(request.name, roles=roles, tasks=request.tasks, limits=limits, lasts_s=lasts_s)

    return _secret(*await _change(keys, add))


async def rotate_key(server: Server, body: bytes, visit: Visit) -> Reply:
    request = wire.read(body, RotateRequest)
    keys = _keys(server)
    key = _named(keys, request.key)
    await recorded(server, visit, "keys.rotate", rotated=key.id, name=key.name, grace_s=request.grace_s)
    return _secret(*await _change(keys, lambda file: file.rotate(key.id, request.grace_s)))


async def revoke_key(server: Server, body: bytes, visit: Visit) -> Reply:
    request = wire.read(body, RevokeRequest)
    keys = _keys(server)
    key = _named(keys, request.key)
    await recorded(server, visit, "keys.revoke", revoked=key.id, name=key.name)
    return Reply(replies.encode(_about(await _change(keys, lambda file: file.revoke(key.id)))), [JSON, NO_STORE])


def _keys(server: Server) -> Keys:
    if server.door.keys is None:
        message = "this server answers without keys (--open), so there are none to look after"
        raise RequestError(message, status=409, code="no_keys")
    return server.door.keys


def _named(keys: Keys, which: str) -> Key:
    """A key that is in force, by id or name."""
    for key in keys:
        if key.revoked is None and which in (key.id, key.name):
            return key
    message = f"no key '{which[:80]}' is in force: GET /v1/admin/keys lists them"
    raise RequestError(message, status=404, param="key", code="key_not_found")


async def _change(keys: Keys, change: Callable[[Keys], R]) -> R:
    """In a thread, since it waits for a lock and the disk; on a store of its own, since reading is for one thread."""
    found = await asyncio.to_thread(lambda: change(Keys(keys.path)))
    keys.reread()
    return found


def _about(key: Key) -> dict[str, Any]:
    return {"object": "key", **about(key)}


def _secret(key: Key, secret: str) -> Reply:
    return Reply(replies.encode({**_about(key), "secret": secret}), [JSON, NO_STORE])
