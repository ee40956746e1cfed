"""SQL of the Spider benchmark as a structure that can be compared: its small grammar, nothing beyond.

The benchmark's matcher reads SELECT, FROM tables JOIN ... ON, WHERE, GROUP BY, HAVING, ORDER BY and LIMIT, combined by
INTERSECT, UNION and EXCEPT. It knows no aliases of columns, no LEFT JOIN, no lists of values after IN, no IS NULL; a
query with any of these counts as not matching, here as there. Values are dropped: only their place is compared.

Source: Yu et al. (2018), EMNLP, section 5 and the task's published evaluation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_CLAUSES = {"select", "from", "where", "group", "order", "limit", "intersect", "union", "except"}
_ENDS = _CLAUSES | {")", ";"}
_AGGREGATES = {"max", "min", "count", "sum", "avg"}
_ARITHMETIC = {"-", "+", "*", "/"}
_OPERATORS = {"between", "=", ">", "<", ">=", "<=", "!=", "in", "like", "is"}
_DEEPEST = 20
_COMBINERS = ("intersect", "union", "except")
_TOKEN = re.compile(r"""'[^']*'|"[^"]*"|!=|>=|<=|[\w.]+(?:=[\w.]+)?|\S""")


class NotSpider(Exception):
    """The query is not of this grammar, or names what the schema does not have."""


class Schema(NamedTuple):
    """tables: the columns of each, all in lower case and in the schema's order; links: pairs of `table.column` that
    foreign keys make one."""

    tables: Mapping[str, tuple[str, ...]]
    links: tuple[tuple[str, str], ...] = ()


class Column(NamedTuple):
    aggregate: str | None
    name: str  # table.column, or *
    distinct: bool


class Expression(NamedTuple):
    operator: str | None
    left: Column
    right: Column | None


class Condition(NamedTuple):
    """low, high: a nested query, or None for any value."""

    negated: bool
    operator: str
    expression: Expression
    low: Query | None
    high: Query | None


class Conditions(NamedTuple):
    items: tuple[Condition, ...] = ()
    connectors: tuple[str, ...] = ()


class Query(NamedTuple):
    distinct: bool
    select: tuple[tuple[str | None, Expression], ...]
    tables: tuple[str | Query, ...]
    on: Conditions
    where: Conditions
    group: tuple[Column, ...]
    having: Conditions
    order: tuple[str, tuple[Expression, ...]] | None
    limit: bool
    combined: tuple[str, Query] | None


def parse(sql: str, schema: Schema) -> Query:
    """Text after a complete query is not looked at. Raises: NotSpider."""
    words = [word if word[0] in "'\"" else word.lower() for word in _TOKEN.findall(sql)]
    aliases = {words[i + 1]: words[i - 1] for i in range(1, len(words) - 1) if words[i] == "as"}
    if aliases.keys() & schema.tables.keys():
        raise NotSpider("an alias that is a table's name")
    return _Reader(words, schema, {**aliases, **{table: table for table in schema.tables}}).query()


class _Reader:
    def __init__(self, words: list[str], schema: Schema, aliases: dict[str, str]):
        self._words, self._schema, self._aliases = words, schema, aliases
        self._at = self._depth = 0
        self._near: list[str] = []  # tables that a column without a table is looked up in

    def query(self) -> Query:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise NotSpider("too deeply nested")
        opened = self._take("(")
        start, outer = self._at, self._near
        if "from" not in self._words[start:]:
            raise NotSpider("no FROM")
        self._at = self._words.index("from", start) + 1
        tables, on = self._from()
        after, self._at = self._at, start
        distinct, select = self._select()
        self._at = after
        where = self._conditions() if self._take("where") else Conditions()
        group = self._group()
        having = self._conditions() if self._take("having") else Conditions()
        order = self._order()
        limit = self._take("limit")
        self._at += limit
        self._take(";")
        self._need(")", opened)
        self._take(";")
        word, combined = self._word(), None
        if word in _COMBINERS:
            self._at += 1
            combined = (word, self.query())
        self._near = outer
        self._depth -= 1
        return Query(distinct, select, tables, on, where, group, having, order, limit, combined)

    def _from(self) -> tuple[tuple[str | Query, ...], Conditions]:
        tables: list[str | Query] = []
        near: list[str] = []
        conditions = Conditions()
        while self._word():
            opened = self._take("(")
            if self._word() == "select":
                tables.append(self.query())
            else:
                self._take("join")
                near.append(self._table())
                tables.append(near[-1])
            self._near = near
            if self._take("on"):
                more = self._conditions()
                between = ("and",) if conditions.items else ()
                conditions = Conditions(
                    conditions.items + more.items, conditions.connectors + between + more.connectors
                )
            self._need(")", opened)
            if self._word() in _ENDS:
                break
        return tuple(tables), conditions

    def _table(self) -> str:
        name = self._next()
        if self._take("as"):
            name = self._next()
        table = self._aliases.get(name, "")
        if table not in self._schema.tables:
            raise NotSpider("unknown table")
        return table

    def _select(self) -> tuple[bool, tuple[tuple[str | None, Expression], ...]]:
        self._need("select")
        distinct = self._take("distinct")
        found: list[tuple[str | None, Expression]] = []
        while self._word() and self._word() not in _CLAUSES:
            aggregate = self._next() if self._word() in _AGGREGATES else None
            found.append((aggregate, self._expression()))
            self._take(",")
        return distinct, tuple(found)

    def _expression(self) -> Expression:
        opened = self._take("(")
        left, operator, right = self._column(), None, None
        if self._word() in _ARITHMETIC:
            operator = self._next()
            right = self._column()
        self._need(")", opened)
        return Expression(operator, left, right)

    def _column(self) -> Column:
        opened = self._take("(")
        if self._word() in _AGGREGATES:
            aggregate = self._next()
            self._need("(")
            distinct = self._take("distinct")
            column = Column(aggregate, self._name(), distinct)
            self._need(")")
            return column  # a parenthesis around an aggregate stays open, and fails later, as it does there
        distinct = self._take("distinct")
        column = Column(None, self._name(), distinct)
        self._need(")", opened)
        return column

    def _name(self) -> str:
        word = self._next()
        if word == "*":
            return word
        alias, dot, column = word.partition(".")
        candidates = [self._aliases.get(alias, "")] if dot else self._near
        for table in candidates:
            if (column if dot else word) in self._schema.tables.get(table, ()):
                return f"{table}.{column if dot else word}"
        raise NotSpider("unknown column")

    def _conditions(self) -> Conditions:
        items: list[Condition] = []
        connectors: list[str] = []
        while self._word():
            expression = self._expression()
            negated = self._take("not")
            operator = self._next()
            if operator not in _OPERATORS:
                raise NotSpider("unknown operator")
            low, high = self._value(), None
            if operator == "between":
                self._need("and")
                high = self._value()
            items.append(Condition(negated, operator, expression, low, high))
            word = self._word()
            if word in _ENDS or word in ("join", "on", "as"):
                break
            if word in ("and", "or"):
                connectors.append(self._next())
        return Conditions(tuple(items), tuple(connectors))

    def _value(self) -> Query | None:
        opened = self._take("(")
        query = None
        word = self._word()
        if word == "select":
            query = self.query()
        elif word[:1] in ("'", '"') or _is_number(word):
            self._at += 1
        else:
            self._column()
            while self._word() and self._word() not in _CLAUSES | {",", ")", "and", "join", "on", "as"}:
                self._at += 1
        self._need(")", opened)
        return query

    def _group(self) -> tuple[Column, ...]:
        columns: list[Column] = []
        if self._take("group"):
            self._need("by")
            while self._word() and self._word() not in _ENDS:
                columns.append(self._column())
                if not self._take(","):
                    break
        return tuple(columns)

    def _order(self) -> tuple[str, tuple[Expression, ...]] | None:
        """One direction for all, the last that is written: so the benchmark has it."""
        if not self._take("order"):
            return None
        self._need("by")
        direction, expressions = "asc", []
        while self._word() and self._word() not in _ENDS:
            expressions.append(self._expression())
            if self._word() in ("asc", "desc"):
                direction = self._next()
            if not self._take(","):
                break
        return direction, tuple(expressions)

    def _word(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def _next(self) -> str:
        self._at += 1
        return self._words[self._at - 1] if self._at <= len(self._words) else ""

    def _take(self, word: str) -> bool:
        found = self._word() == word
        self._at += found
        return found

    def _need(self, word: str, needed: bool = True) -> None:
        if needed and not self._take(word):
            raise NotSpider(f"expected {word}")


def _is_number(word: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", word) is not None
