"""Exact set match of SQL, as the Spider benchmark scores it: the parts of two queries compared as sets, values ignored.

    exact_set_match(answer, gold, read_schema(text))

It under-rates: a right query in another form does not match. Where there are databases, execution (`sql_scorer.py`) is
the better measure.
"""

from __future__ import annotations

import re
from collections import Counter

from jangin.errors import DataError
from jangin.evals.spider_parse import Column, Conditions, Expression, NotSpider, Query, Schema, parse


def exact_set_match(answer: str, gold: str, schema: Schema) -> bool:
    """Whether both have the same select list, tables, conditions, grouping, order, LIMIT and combined queries.

    Columns that a foreign key makes one are one; DISTINCT counts only inside nested queries of conditions.

    Raises: DataError when the gold query is not of the benchmark's grammar; an answer that is not does not match.
    Source: Yu et al. (2018), EMNLP, "Spider", section 5, and the task's published evaluation.
    """
    try:
        wanted = parse(gold, schema)
    except NotSpider as error:
        raise DataError(f"the gold query is not of Spider's grammar ({error})", "mend or drop this example") from error
    try:
        given = parse(answer, schema)
    except NotSpider:
        return False
    return _same(_plain(given, schema), _plain(wanted, schema))


def read_schema(text: str) -> Schema:
    """From a line `table(Column [pk], ...) | ... | FK: table.column=table.column; ...`, which may start with "Schema:".

    Raises: DataError if no table can be read.
    """
    line = next((line for line in text.splitlines() if line.startswith("Schema:")), text).removeprefix("Schema:")
    parts = [part.strip() for part in line.split(" | ")]
    keys = [part.removeprefix("FK:") for part in parts if part.startswith("FK:")]
    tables = {}
    for part in parts:
        found = re.fullmatch(r"([^()]+)\((.*)\)", part)
        if found and not part.startswith("FK:"):
            columns = (column.removesuffix("[pk]").strip().lower() for column in found[2].split(", "))
            tables[found[1].strip().lower()] = tuple(columns)
    if not tables:
        raise DataError(
            "no table could be read from the schema", "write it as: table(column [pk], column) | table(...)"
        )
    links = [tuple(link.strip().lower().split("=")) for key in keys for link in key.split(";") if "=" in link]
    return Schema(tables, tuple((link[0].strip(), link[1].strip()) for link in links))


def _same(ours: Query, theirs: Query) -> bool:
    return (
        Counter(ours.select) == Counter(theirs.select)
        and Counter(ours.tables) == Counter(theirs.tables)
        and Counter(ours.where.items) == Counter(theirs.where.items)
        and set(ours.where.connectors) == set(theirs.where.connectors)
        and [column.name for column in ours.group] == [column.name for column in theirs.group]
        and (not ours.group or ours.having == theirs.having)
        and ours.order == theirs.order
        and ours.limit == theirs.limit
        and _keywords(ours) == _keywords(theirs)
        and _same_combined(ours, theirs)
    )


def _same_combined(ours: Query, theirs: Query) -> bool:
    if ours.combined is None or theirs.combined is None:
        return ours.combined is theirs.combined
    return ours.combined[0] == theirs.combined[0] and _same(ours.combined[1], theirs.combined[1])


def _keywords(query: Query) -> set[str]:
    """Words that both must use; the only way in which conditions of joins count."""
    parts = (query.on, query.where, query.having)
    items = [item for part in parts for item in part.items]
    found = {"having"} if query.having.items else set()
    found |= {"or"} if any("or" in part.connectors for part in parts) else set()
    found |= {"not"} if any(item.negated for item in items) else set()
    return found | {item.operator for item in items if item.operator in ("in", "like")}


def _plain(query: Query, schema: Schema) -> Query:
    """Linked columns as one and DISTINCT dropped, in the query itself and in those it is combined with.

    A link counts only for columns of the outermost query's own tables.
    """
    columns = [f"{table}.{column}" for table, columns in schema.tables.items() for column in columns]
    order = {name: i for i, name in enumerate(columns)}
    groups: list[set[str]] = []
    for link in schema.links:
        group = next((group for group in groups if group & set(link)), None)
        if group is None:
            groups.append(group := set())
        group |= set(link)
    first = {name: min(group, key=lambda name: order.get(name, len(order))) for group in groups for name in group}
    own = {table for table in query.tables if isinstance(table, str)}
    return _rename(query, {name: to for name, to in first.items() if name.partition(".")[0] in own})


def _rename(query: Query, names: dict[str, str]) -> Query:
    def column(old: Column) -> Column:
        return Column(old.aggregate, names.get(old.name, old.name), False)

    def expression(old: Expression) -> Expression:
        return Expression(old.operator, column(old.left), old.right and column(old.right))

    def conditions(old: Conditions) -> Conditions:
        items = tuple(item._replace(expression=expression(item.expression)) for item in old.items)
        return Conditions(items, old.connectors)

    return query._replace(
        distinct=False,
        select=tuple((aggregate, expression(part)) for aggregate, part in query.select),
        on=conditions(query.on),
        where=conditions(query.where),
        group=tuple(map(column, query.group)),
        having=conditions(query.having),
        order=query.order and (query.order[0], tuple(map(expression, query.order[1]))),
        combined=query.combined and (query.combined[0], _rename(query.combined[1], names)),
    )
