"""The traps that the package warns of are still there; where one is gone, the warning may go too."""

from __future__ import annotations

from typing import Any

import pytest

LATE = "make_timestamp_ns(1704101459999999600)"  # 09:30:59.9999996


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (f"extract(minute FROM date_trunc('minute', {LATE}))", 31),
        (f"extract(minute FROM time_bucket(INTERVAL 1 MINUTE, {LATE}))", 31),
        (f"extract(second FROM {LATE}::TIMESTAMP)", 0),
        (f"epoch_ns({LATE}) // 60000000000 % 60", 30),
        ("-1 // 60", 0),
        ("-1 - (-1 % 60 + 60) % 60", -60),
        ("TIMESTAMP '2024-01-01 00:00+02' = TIMESTAMP '2024-01-01'", True),
        ("typeof(sum(1::BIGINT))", "HUGEINT"),
        ("isinf(1 / 0)", True),
        ("TRY(1 // 0)", None),
    ],
)
def test_a_trap_is_as_described(desk: Any, expression: str, value: Any) -> None:
    assert desk.rows(f"SELECT {expression}") == [(value,)]
