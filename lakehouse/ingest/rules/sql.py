"""Rules written in SQL: one boolean expression over the columns of a row, true for a good row.

The text is never run. It is parsed, every node at every depth must be on the lists below, and what runs is
the text that the checked tree is written back to. There is no way to name a table, a file, another row, the
clock, chance or the environment. DuckDB runs it in an empty, locked database that could reach nothing even
so.

Numbers and text compare as in DuckDB, where NaN is equal to itself and above every number. Times are
TIMESTAMP (_NS for nanoseconds) in UTC. Casts of nanoseconds to TIMESTAMP or DATE, and parts such as hour(),
round down; DuckDB 2.0 would round to the nearest microsecond and move the last 500 ns of a day into the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.errors import NotFoundError
from lakehouse.ingest.rules.arguments import broken_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlglot import exp

    from lakehouse.catalog.rule import Rule
    from lakehouse.schema import TableSchema

_LONGEST_TEXT = 10_000

_NODE_NAMES = """
Column Identifier Literal Boolean Null Paren
And Or Not EQ NEQ LT LTE GT GTE NullSafeEQ NullSafeNEQ Is In Between Like ILike Case If Coalesce Nullif
Add Sub Mul Div IntDiv Mod Neg Abs Ceil Floor Round Sign Sqrt Exp Ln Greatest Least IsNan IsInf
Lower Upper Length Trim Substring StartsWith EndsWith Contains RegexpLike RegexpFullMatch
Extract Var Year Month Day Hour Minute Second DayOfWeek
Cast TryCast DataType DataTypeParam
"""
_TYPE_NAMES = """
BOOLEAN TINYINT SMALLINT INT BIGINT INT128 FLOAT DOUBLE DECIMAL VARCHAR TEXT DATE TIMESTAMPNTZ TIMESTAMP_NS
"""
_NODES = frozenset(_NODE_NAMES.split())
"""what a rule may be made of, by the names of sqlglot's classes: sqlglot takes long to import"""
_TYPES = frozenset(_TYPE_NAMES.split())
"""what a value may be cast to"""
_FUNCTIONS = frozenset({"isfinite", "epoch_ns", "prefix", "suffix"})
"""functions that sqlglot has no class for"""
_CLOCKS = frozenset({"Extract", "Year", "Month", "Day", "Hour", "Minute", "Second", "DayOfWeek"})
"""parts of a time"""
FLOORED = "_microseconds_"
"""prefix of a nanosecond column rounded down to microseconds; no column of a table starts with '_'"""


@dataclass(frozen=True, slots=True)
class SqlRule:
    """A checked expression, ready to run."""

    rule: Rule
    """as in the contract"""
    text: str
    """DuckDB SQL written from the checked tree"""
    columns: tuple[str, ...]
    """the columns it reads"""
    schema: TableSchema
    """of the frame"""


def sql(rule: Rule, schema: TableSchema) -> SqlRule:
    """Return the checked expression; rows for which it is true or null are good.

    Raises:
        ContractError: it is no single expression over columns, literals, operators and the functions listed.
    """
    tree = _parse(rule)
    nodes = list(tree.walk())
    for node in nodes:
        _check_node(rule, node)
    columns = [node for node in nodes if type(node).__name__ == "Column"]
    if not columns:
        raise broken_rule(rule, "the expression reads no column.")
    spelling = {name.casefold(): name for name in schema.names}
    for column in columns:
        _settle_column(rule, column, spelling)
    for node in nodes:
        if _reads_clock(node):
            _floor(rule, node, schema)
    return SqlRule(rule, _write(rule, tree), tuple(sorted({column.name for column in columns})), schema)


def _parse(rule: Rule) -> exp.Expr:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    text = str(rule.arguments["expression"])
    if len(text) > _LONGEST_TEXT:
        raise broken_rule(
            rule, f"the expression has {len(text)} characters; at most {_LONGEST_TEXT} are legal."
        )
    try:
        return sqlglot.parse_one(text, into=exp.Condition, dialect="duckdb")
    except (SqlglotError, RecursionError) as error:
        raise broken_rule(
            rule,
            f"can not read {text!r:.200} as one boolean SQL expression.",
            hint="Write what is true for a good row, such as: high - low < 0.5 * close",
        ) from error


def _check_node(rule: Rule, node: exp.Expr) -> None:
    kind = type(node).__name__
    if kind == "Anonymous":
        allowed = str(node.this).lower() in _FUNCTIONS
    elif kind == "DataType":
        allowed = node.this.name in _TYPES
    else:
        allowed = kind in _NODES
    if not allowed:
        raise broken_rule(
            rule,
            f"{node.sql(dialect='duckdb')[:80]!r} is not allowed.",
            hint="Use columns of the row, literals, operators and simple functions of one row; no queries.",
        )


def _settle_column(rule: Rule, column: exp.Expr, spelling: Mapping[str, str]) -> None:
    """Give a column the schema's spelling, because DuckDB ignores case."""
    name = column.name.casefold()
    if column.args.get("table") is not None or name not in spelling:
        unknown = NotFoundError.among("column", column.sql(dialect="duckdb"), spelling.values())
        raise broken_rule(rule, unknown.message, hint=unknown.hint)
    column.this.set("this", spelling[name])


def _reads_clock(node: exp.Expr) -> bool:
    kind = type(node).__name__
    cast = kind in ("Cast", "TryCast") and node.args["to"].this.name in ("DATE", "TIMESTAMPNTZ")
    return cast or kind in _CLOCKS


def _floor(rule: Rule, clock: exp.Expr, schema: TableSchema) -> None:
    """Let a clock read a nanosecond column in whole microseconds."""
    time = (clock.expression if type(clock).__name__ == "Extract" else clock.this).unnest()
    names = [node.name for node in time.walk() if type(node).__name__ == "Column"]
    if not any(name in schema.names and schema[name].type == "timestamp[ns]" for name in names):
        return
    if type(time).__name__ != "Column":
        problem = f"{clock.sql(dialect='duckdb')[:80]!r} would round {names[0]!r}."
        raise broken_rule(
            rule, problem, hint="Read the parts of a time with nanoseconds from the column itself."
        )
    time.this.set("this", FLOORED + time.name)


def _write(rule: Rule, tree: exp.Expr) -> str:
    try:
        return tree.sql(dialect="duckdb", identify=True, comments=False)
    except RecursionError as error:
        raise broken_rule(rule, "the expression is nested too deeply.") from error
