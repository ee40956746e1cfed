"""The form that copying fills: which fields of a schema are copied from the input, which are chosen from a few values.

An answer is made so that it always satisfies the schema: a value that does not is left out, and a field that must be
there has a value to fall back on. What cannot be filled with this certainty has no form (`why_no_form`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from jangin.data import schema as schemas

MAX_FIELDS = 200
_WORDS = {"type", "properties", "required", "enum", "const", "items", "additionalProperties"}
_SAYS_NOTHING = {"title", "description", "$schema", "default", "examples"}
_PLAIN = {"string", "integer", "number", "boolean", "null"}
_DEEPEST = 8


class Leaf(msgspec.Struct, frozen=True, omit_defaults=True):
    """A field that holds a value, or a list of them (`many`). path: the names from the outermost object in.

    must: it has to be there wherever the object around it is. copied: from the input; else one of `values`. fallback:
    what it holds when nothing is found and it must be there; a list falls back on [].
    """

    path: list[str]
    schema: dict[str, Any]
    many: bool = False
    must: bool = False
    copied: bool = True
    values: list[Any] = []
    fallback: Any = None

    @property
    def chosen(self) -> bool:
        """Is there something to choose, and so a model that does?"""
        return not self.copied and len(self.values) > 1

    @property
    def name(self) -> str:
        return ".".join(self.path)


def leaves(schema: Mapping[str, Any]) -> list[Leaf]:
    """Every field, in the schema's order, none decided yet. Only of a schema without `why_no_form`."""
    return list(_walk(schema, []))


def _walk(schema: Mapping[str, Any], path: list[str]) -> Iterator[Leaf]:
    required = set(schema.get("required", ()))
    for name, part in (schema.get("properties") or {}).items():
        here = [*path, name]
        if part.get("properties"):
            yield from _walk(part, here)
        elif isinstance(part.get("items"), dict):
            yield Leaf(here, dict(part["items"]), many=True, must=name in required)
        else:
            yield Leaf(here, dict(part), must=name in required)


def why_no_form(schema: Mapping[str, Any]) -> str | None:
    """Why no answer could be promised to satisfy this schema by copying, or None."""
    if not schema.get("properties"):
        return "its schema names no fields"
    found = _fault(schema, "", 0)
    if found is None and len(leaves(schema)) > MAX_FIELDS:
        return f"its schema has {len(leaves(schema))} fields; copying takes {MAX_FIELDS} at most"
    return found


def _fault(schema: Mapping[str, Any], where: str, depth: int) -> str | None:
    at = f"field '{where}'" if where else "the schema"
    unknown = sorted(set(schema) - _WORDS - _SAYS_NOTHING)
    if unknown:
        return f"{at} says '{unknown[0]}', which copying cannot promise"
    if depth > _DEEPEST:
        return f"{at} lies more than {_DEEPEST} objects deep"
    if schema.get("properties"):
        lacking = [name for name in schema.get("required", ()) if name not in schema["properties"]]
        if lacking:
            return f"{at} requires '{lacking[0]}' and does not describe it"
        if not _may_be(schema, "object") or "enum" in schema or "const" in schema:
            return f"{at} has properties and is no plain object"
        parts = ((f"{where}.{name}" if where else name, part) for name, part in schema["properties"].items())
        return next((found for name, part in parts if (found := _fault(part, name, depth + 1))), None)
    if isinstance(schema.get("items"), dict):
        if not _may_be(schema, "array") or "enum" in schema or "const" in schema:
            return f"{at} has items and is no plain list"
        return _value_fault(schema["items"], f"{at}, an item")
    return _value_fault(schema, at)


def _value_fault(schema: Mapping[str, Any], at: str) -> str | None:
    if "items" in schema or "properties" in schema:
        return f"{at} holds lists or objects in a list"
    if set(schema) - _WORDS - _SAYS_NOTHING:
        return f"{at} says '{min(set(schema) - _WORDS - _SAYS_NOTHING)}', which copying cannot promise"
    if "enum" in schema or "const" in schema:
        return None
    if not any(_may_be(schema, name) for name in _PLAIN):
        return f"{at} holds no plain value"
    return None


def _may_be(schema: Mapping[str, Any], name: str) -> bool:
    kinds = schema.get("type")
    return kinds is None or name in ([kinds] if isinstance(kinds, str) else kinds)


def value_of(text: str, leaf: Leaf) -> Any:
    """A copied text as the field's value, or None when it would not satisfy the schema."""
    kinds = leaf.schema.get("type")
    names = [kinds] if isinstance(kinds, str) else kinds or ["string"]
    for name in ("integer", "number", "string"):
        if name not in names:
            continue
        value: Any = text if name == "string" else _number(text, name)
        if value is not None and schemas.fault(value, leaf.schema) is None:
            return value
    return None


def _number(text: str, kind: Literal["integer", "number"] | str) -> int | float | None:
    """The number that a text writes, digits as in JSON; None for any other text."""
    if len(text) > 30 or not text.isascii():
        return None
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return found if kind == "number" or isinstance(found, int) else None


def smallest(leaf: Leaf) -> Any:
    """A value that satisfies the field's schema when nothing else is known."""
    if leaf.many:
        return []
    schema = leaf.schema
    if "const" in schema:
        return schema["const"]
    candidates: list[Any] = [*schema.get("enum", ()), None, "", 0, False]
    preferred = [value for value in (None, "", "n/a") if value in schema.get("enum", ())]
    return next((value for value in [*preferred, *candidates] if schemas.fault(value, schema) is None), None)


def assemble(form: Sequence[Leaf], given: Mapping[int, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The object: `given` by the leaf's number, fallbacks for what must be there, fields in the schema's order."""
    found: dict[str, Any] = _required_objects(schema)
    for number, leaf in enumerate(form):
        if number in given:
            _put(found, leaf.path, given[number])
    for leaf in form:
        if leaf.must and (inside := _inner(found, leaf.path[:-1])) is not None and leaf.path[-1] not in inside:
            inside[leaf.path[-1]] = [] if leaf.many else leaf.fallback
    ordered: dict[str, Any] = schemas.in_order(found, schema)
    return ordered


def _required_objects(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _required_objects(part)
        for name, part in (schema.get("properties") or {}).items()
        if part.get("properties") and name in schema.get("required", ())
    }


def _put(into: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        into = into.setdefault(name, {})
    into[path[-1]] = value


def _inner(found: dict[str, Any], path: Sequence[str]) -> dict[str, Any] | None:
    """The object at a path; None where an object that may be absent is."""
    for name in path:
        if name not in found:
            return None
        found = found[name]
    return found
