from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.sql_text import check_expression, from_query, to_query
from lakehouse.errors import ContractError


@given(st.text(alphabet="ab()'\" ;-/*\n=", max_size=20))
def test_every_expression_that_is_taken_comes_back_from_its_query(expression: str) -> None:
    try:
        check_expression(expression, rule="r")
    except ContractError:
        return
    assert from_query(to_query(expression), rule="r") == expression


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "  ",
        "a) or (b",
        "(a",
        "a > 0; drop table x",
        "a > 0 -- and b",
        "a /* b */",
        "a = 'x",
        'a = "x',
    ],
)
def test_text_that_would_leave_its_brackets_is_refused(expression: str) -> None:
    with pytest.raises(ContractError, match="Rule 'r'"):
        check_expression(expression, rule="r")


@pytest.mark.parametrize(
    "expression", ["venue = 'a;b--c)'", "venue = 'it''s'", '"odd name (" > 0', "(a) and (b)"]
)
def test_marks_inside_quotes_are_text(expression: str) -> None:
    assert check_expression(expression, rule="r") == expression


@pytest.mark.parametrize(
    "query",
    [
        "select max(price) from {object}",
        "select count(*) from {object} where not (a) and (b)",
        "bid <= ask",
        "",
    ],
)
def test_a_query_that_does_not_count_bad_rows_is_refused(query: str) -> None:
    with pytest.raises(ContractError, match="Rule 'r'"):
        from_query(query, rule="r")
