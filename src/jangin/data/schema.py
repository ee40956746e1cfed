"""JSON schemas of `extract`: inferred from answers, checked against them, and the order of an answer's fields.

The subset: type, properties, required, enum, const, items, additionalProperties. Other words of JSON Schema bind the
decoder that writes under the schema; here they are passed over. (The package jsonschema brings five others with it, one
of them compiled, for a vocabulary that no answer here needs.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Schema = dict[str, Any]

_TYPES = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value == int(value),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
TYPES = tuple(_TYPES)


def infer_schema(outputs: Iterable[Mapping[str, Any]]) -> Schema:
    """The narrowest schema of plain types that every output satisfies; an enum is never inferred.

    An object has the union of the keys, `required` where every row has them, and no others. Keys stand in an order that
    agrees with as many rows as can be; a schema is the same whatever order the rows come in, ties apart.
    """
    return _of(list(outputs))


def fault(value: Any, schema: Mapping[str, Any], where: str = "") -> str | None:
    """Why a value does not satisfy a schema, or None. Names fields and types, never a value."""
    at = f"field '{where}'" if where else "the answer"
    if "enum" in schema and value not in schema["enum"]:
        return f"{at} is none of the schema's {len(schema['enum'])} values"
    if "const" in schema and value != schema["const"]:
        return f"{at} is not the schema's one value"
    allowed = _types(schema)
    if allowed and not any(_TYPES[name](value) for name in allowed):
        return f"{at} is {kind_of(value)}; the schema says {' or '.join(allowed)}"
    if isinstance(value, dict):
        return _object_fault(value, schema, where)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        faults = (fault(item, schema["items"], f"{where}[{position}]") for position, item in enumerate(value))
        return next((found for found in faults if found), None)
    return None


def in_order(value: Any, schema: Mapping[str, Any]) -> Any:
    """The same value, its fields in the schema's order; fields that the schema lacks come last, as they stood."""
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [in_order(item, schema["items"]) for item in value]
    if not isinstance(value, dict):
        return value
    known = _properties(schema)
    names = [*(name for name in known if name in value), *(name for name in value if name not in known)]
    return {name: in_order(value[name], known.get(name, {})) for name in names}


def malformed(schema: Mapping[str, Any], where: str = "schema") -> str | None:
    """Why this is no schema that the checks here can read, or None."""
    allowed = schema.get("type")
    if allowed is not None and not all(
        name in _TYPES for name in (allowed if isinstance(allowed, list) else [allowed])
    ):
        return f"{where}.type is {allowed!r}; expected one of {', '.join(TYPES)}"
    for key, shape, expected in (
        ("properties", dict, "field names, each with its schema"),
        ("required", list, "a list of field names"),
        ("enum", list, "a list of values"),
        ("items", dict, "the schema of each item"),
        ("additionalProperties", bool | dict, "true, false or a schema"),
    ):
        if key in schema and not isinstance(schema[key], shape):
            return f"{where}.{key} is {schema[key]!r}; expected {expected}"
    inner = {f"{where}.properties.{name}": part for name, part in _properties(schema).items()}
    inner |= {f"{where}.{key}": schema[key] for key in ("items", "additionalProperties") if key in schema}
    for name, part in inner.items():
        if isinstance(part, bool) and name.endswith("additionalProperties"):
            continue
        if not isinstance(part, dict):
            return f"{name} is {part!r}; expected a schema"
        if found := malformed(part, name):
            return found
    return None


def kind_of(value: Any) -> str:
    """The schema's word for a value's type."""
    return next(name for name in ("null", "boolean", "integer", "number", *TYPES) if _TYPES[name](value))


def _object_fault(value: dict[str, Any], schema: Mapping[str, Any], where: str) -> str | None:
    known, more = _properties(schema), schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            return f"field '{_join(where, name)}' is missing"
    for name, part in value.items():
        if name in known:
            found = fault(part, known[name], _join(where, name))
        elif more is False:
            found = f"field '{_join(where, name)}' is not in the schema"
        else:
            found = fault(part, more, _join(where, name)) if isinstance(more, dict) else None
        if found:
            return found
    return None


def _of(values: list[Any]) -> Schema:
    kinds = sorted({kind_of(value) for value in values}, key=TYPES.index)
    if "number" in kinds and "integer" in kinds:
        kinds.remove("integer")
    schema: Schema = {"type": kinds[0] if len(kinds) == 1 else kinds}
    if "array" in kinds:
        items = [item for value in values if isinstance(value, list) for item in value]
        schema["items"] = _of(items) if items else {"type": "string"}
    if "object" in kinds:
        rows = [value for value in values if isinstance(value, dict)]
        names = merged_order([list(row) for row in rows])
        schema["properties"] = {name: _of([row[name] for row in rows if name in row]) for name in names}
        schema["required"] = [name for name in names if all(name in row for row in rows)]
        schema["additionalProperties"] = False
    return schema


def merged_order(orders: Iterable[Sequence[str]]) -> list[str]:
    """One order of all names that keeps the order of each list, where the lists allow it (topological).

    Of names that could come next the one that stands earliest on average comes first, then the alphabet decides; where
    lists contradict each other, that choice breaks the circle.
    """
    seen: dict[tuple[str, ...], int] = {}
    for order in orders:
        seen[tuple(order)] = seen.get(tuple(order), 0) + 1
    places: dict[str, list[float]] = {}
    before: dict[str, set[str]] = {}
    for order, times in seen.items():
        for position, name in enumerate(order):
            total = places.setdefault(name, [0.0, 0.0])
            total[0] += times * position / max(len(order) - 1, 1)
            total[1] += times
            before.setdefault(name, set()).update(order[max(position - 1, 0) : position])
    left = sorted(places, key=lambda name: (places[name][0] / places[name][1], name))
    found: list[str] = []
    placed: set[str] = set()
    while left:
        name = next((name for name in left if before[name] <= placed), left[0])
        left.remove(name)
        placed.add(name)
        found.append(name)
    return found


def _types(schema: Mapping[str, Any]) -> list[str]:
    allowed = schema.get("type", [])
    return [allowed] if isinstance(allowed, str) else list(allowed)


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema.get("properties") or {}
    return found


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def walk(schema: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """Dotted names of the fields that hold values, in the schema's order; a list's are its items'."""
    if isinstance(schema.get("items"), dict):
        yield from walk(schema["items"], where)
    elif schema.get("properties"):
        for name, part in _properties(schema).items():
            yield from walk(part, _join(where, name))
    elif where:
        yield where
