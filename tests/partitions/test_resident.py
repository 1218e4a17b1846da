"""Maps that are kept: within bounds, the last one always, and some of a larger stream."""

from __future__ import annotations

from lakehouse.partitions.resident import Resident


def test_the_oldest_go_where_they_are_too_many() -> None:
    kept = Resident[str](2, 1_000)
    assert [kept.use(key, 1)[0] for key in "abac"] == [[], [], [], ["b"]]


def test_bytes_stay_within_their_bound_but_for_the_last_one() -> None:
    kept = Resident[str](100, 10)
    sizes = dict.fromkeys("abc", 4) | {"d": 50, "e": 3}
    held: dict[str, int] = {}
    for key, size in sizes.items():
        held[key] = size
        for gone in kept.use(key, size)[1]:
            del held[gone]
        assert key in held
        assert len(held) == 1 or sum(held.values()) <= 10
    assert len(kept) == len(sizes)


def test_what_was_used_before_takes_no_more_room() -> None:
    kept = Resident[str](100, 10)
    assert [kept.use("a", more) for more in (9, 0, 0)] == 3 * [([], [])]
    kept.drop("a")
    assert kept.use("b", 10) == ([], [])


def test_a_stream_that_is_larger_finds_some_of_it_again() -> None:
    kept, held, found = Resident[int](100, 70), set[int](), 0
    for _ in range(50):
        for key in range(10):
            found += key in held
            gone = kept.use(key, 0 if key in held else 10)[1]
            held = (held | {key}) - set(gone)
    assert found > 100
