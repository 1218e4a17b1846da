"""Frames come back as they were written, and nothing else passes for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.partitions.tail.frames import (
    HEAD_BYTES,
    ROWS,
    Damage,
    Frame,
    all_frames,
    encode_frame,
    frame_bytes,
    live_frames,
)

SALT = 4_242
PAYLOADS = st.lists(st.binary(max_size=40), min_size=1, max_size=8)


def written(payloads: list[bytes], *, room: int = 256) -> bytes:
    """Return a segment's bytes behind its header: a frame a payload, of one row each, and zeros."""
    frames = [encode_frame(ROWS, place + 1, 1, each, salt=SALT) for place, each in enumerate(payloads)]
    return b"".join(frames) + bytes(room)


def payloads_of(data: bytes) -> list[bytes]:
    found = all_frames(memoryview(data), 0, salt=SALT)
    return [bytes(each.payload) for each in found if isinstance(each, Frame)]


def damage_in(data: bytes) -> list[Damage]:
    return [each for each in all_frames(memoryview(data), 0, salt=SALT) if isinstance(each, Damage)]


@given(PAYLOADS)
def test_frames_come_back_as_they_were_written(payloads: list[bytes]) -> None:
    data = written(payloads)
    assert payloads_of(data) == payloads
    assert [bytes(each.payload) for each in live_frames(memoryview(data), 0, salt=SALT)] == payloads
    assert damage_in(data) == []


@given(PAYLOADS)
def test_the_last_frame_torn_at_any_byte_is_cut_and_the_others_stay(payloads: list[bytes]) -> None:
    data = written(payloads, room=0)
    begins = len(data) - frame_bytes(len(payloads[-1]))
    for length in range(begins, begins + HEAD_BYTES + len(payloads[-1])):
        torn = data[:length].ljust(len(data) + 64, b"\0")
        if torn.rstrip(b"\0") == data.rstrip(b"\0"):  # what is missing were zeros
            continue
        assert payloads_of(torn) == payloads[:-1]
        assert [each.is_torn for each in damage_in(torn)] == [True] * (length > begins)


@given(PAYLOADS, st.data())
def test_a_damaged_byte_costs_the_rows_of_its_frame_alone(payloads: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(written([*payloads, b"the last"]))
    sizes = [frame_bytes(len(each)) for each in payloads]
    hit = data.draw(st.integers(0, len(payloads) - 1))
    begins = sum(sizes[:hit])
    place = begins + data.draw(st.integers(0, HEAD_BYTES + len(payloads[hit]) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    rest = [*payloads[:hit], *payloads[hit + 1 :], b"the last"]
    assert payloads_of(bytes(whole)) == rest
    assert damage_in(bytes(whole)) == [Damage(begins, sizes[hit], is_torn=False)]


@pytest.mark.parametrize("salt", [SALT + 1, 0])
def test_frames_of_another_segment_are_none(salt: int) -> None:
    data = encode_frame(ROWS, 1, 1, b"payload", salt=salt) + bytes(64)
    assert list(live_frames(memoryview(data), 0, salt=SALT)) == []
    assert payloads_of(data) == []


def test_a_frame_within_a_payload_is_not_taken_for_one_after_damage() -> None:
    inner = encode_frame(ROWS, 2, 1, b"copied", salt=SALT + 1)
    data = bytearray(written([inner, b"next"]))
    data[HEAD_BYTES + len(inner) - 1] ^= 1
    assert payloads_of(bytes(data)) == [b"next"]
