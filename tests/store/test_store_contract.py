"""What every store promises, asked of each implementation."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import AlreadyExistsError, ArgumentError, IntegrityError, NotFoundError, StorageError
from lakehouse.store import Entry, Store

NewStore = Callable[[], Store]

# Some disks fold case and composed letters, so no two names here differ in them alone.
LETTERS = st.characters(
    codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters='<>:"|?*\\/.\ufffe\uffff'
)
FOLDED = st.text(LETTERS, min_size=1, max_size=12).map(lambda text: normalize("NFC", text.casefold()))
SEGMENTS = FOLDED.map(lambda text: f"x{text}x")
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)


def listing(store: Store, prefix: str = "") -> list[str]:
    return [entry.path for entry in store.list(prefix)]


def is_folder_in(paths: Iterable[str], path: str) -> bool:
    return any(each.startswith(f"{path}/") for each in paths)


def test_put_then_get_returns_the_bytes(store: Store) -> None:
    store.put_if_absent("catalog/lake.json", b"{}")
    assert store.get("catalog/lake.json") == b"{}"
    assert store.size("catalog/lake.json") == 2


def test_an_empty_object_is_an_object(store: Store) -> None:
    store.put_if_absent("empty", b"")
    assert store.get("empty") == b""
    assert store.size("empty") == 0
    assert list(store.list("")) == [Entry("empty", 0)]


def test_every_byte_value_survives(store: Store) -> None:
    data = bytes(range(256)) * 4096
    store.put_if_absent("a/bytes", data)
    assert store.get("a/bytes") == data
    assert store.local_path("a/bytes").read_bytes() == data


def test_the_second_put_loses_and_changes_nothing(store: Store) -> None:
    store.put_if_absent("a", b"first")
    with pytest.raises(AlreadyExistsError, match="a exists already"):
        store.put_if_absent("a", b"second")
    assert store.get("a") == b"first"


def test_the_second_put_of_equal_bytes_loses_too(store: Store) -> None:
    store.put_if_absent("a", b"same")
    with pytest.raises(AlreadyExistsError, match="a exists already"):
        store.put_if_absent("a", b"same")


def test_get_of_a_missing_object_names_it(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no object nowhere/nothing in "):
        store.get("nowhere/nothing")


def test_local_path_of_a_missing_object_names_it(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no object nothing in "):
        store.local_path("nothing")


def test_size_of_a_missing_object_is_none(store: Store) -> None:
    assert store.size("nowhere/nothing") is None


def test_a_folder_is_not_an_object(store: Store) -> None:
    store.put_if_absent("a/b/c", b"1")
    assert store.size("a/b") is None
    with pytest.raises(NotFoundError, match="no object a/b in "):
        store.get("a/b")
    with pytest.raises(NotFoundError, match="no object a/b in "):
        store.local_path("a/b")


def test_an_object_has_nothing_below_it(store: Store) -> None:
    store.put_if_absent("a", b"1")
    assert store.size("a/b") is None
    assert listing(store, "a") == []
    with pytest.raises(NotFoundError, match="no object a/b in "):
        store.get("a/b")


def test_local_path_keeps_the_suffix_by_which_readers_go(store: Store) -> None:
    store.put_if_absent("t/part-1.parquet", b"PAR1")
    assert store.local_path("t/part-1.parquet").suffix == ".parquet"


def test_local_path_of_the_same_object_is_the_same_file(store: Store) -> None:
    store.put_if_absent("t/part", b"1")
    assert store.local_path("t/part") == store.local_path("t/part")


def test_stage_publishes_what_the_block_wrote(store: Store) -> None:
    with store.stage("t/part") as file:
        file.write_bytes(b"rows")
        assert listing(store) == []
    assert store.get("t/part") == b"rows"
    assert listing(store) == ["t/part"]


def test_what_need_not_outlive_a_crash_is_published_as_whole(store: Store) -> None:
    with store.stage("t/part", durable=False) as file:
        file.write_bytes(b"rows")
    assert store.get("t/part") == b"rows"
    with pytest.raises(AlreadyExistsError, match="t/part exists"), store.stage("t/part", durable=False):
        pass
    with pytest.raises(StorageError, match="Nothing was written"), store.stage("t/two", durable=False):
        pass


def test_stage_of_a_taken_name_fails_before_the_block_runs(store: Store) -> None:
    store.put_if_absent("t/part", b"first")
    with pytest.raises(AlreadyExistsError, match="t/part exists already"), store.stage("t/part"):
        pytest.fail("the block ran")


def test_stage_loses_to_a_put_within_its_block(store: Store) -> None:
    def lose() -> None:
        with store.stage("t/part") as file:
            file.write_bytes(b"mine")
            store.put_if_absent("t/part", b"theirs")

    with pytest.raises(AlreadyExistsError, match="t/part exists already"):
        lose()
    assert store.get("t/part") == b"theirs"


def test_a_block_that_writes_nothing_publishes_nothing(store: Store) -> None:
    with pytest.raises(StorageError, match="Nothing was written for t/part"), store.stage("t/part"):
        pass
    assert listing(store) == []


@pytest.mark.parametrize(
    "error",
    [
        ValueError("mine"),
        KeyboardInterrupt("mine"),
        IntegrityError("mine: another file is torn"),
        AlreadyExistsError("mine: another name is taken"),
        NotFoundError("mine: another object is missing"),
        FileNotFoundError(2, "mine", "/source.csv"),
        FileExistsError(17, "mine", "/elsewhere"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_block_raises_passes_unchanged(store: Store, error: BaseException) -> None:
    def fail() -> None:
        with store.stage("t/part") as file:
            file.write_bytes(b"half")
            raise error

    with pytest.raises(type(error), match="mine") as caught:
        fail()
    assert caught.value is error
    assert listing(store) == []
    store.put_if_absent("t/part", b"free")


def test_a_full_disk_within_a_block_is_a_storage_error(store: Store) -> None:
    with pytest.raises(StorageError, match=r"t/part: No space left[\s\S]*Hint: Free"), store.stage("t/part"):
        raise OSError(28, "Error writing bytes to file")  # what pyarrow raises: it names no file
    assert listing(store) == []


def test_list_is_sorted_and_has_sizes(store: Store) -> None:
    for path in ("b/2", "a", "b/10", "é", "Z"):
        store.put_if_absent(path, path.encode())
    assert list(store.list("")) == [
        Entry(path, len(path.encode())) for path in ("Z", "a", "b/10", "b/2", "é")
    ]


def test_list_takes_a_prefix_as_whole_segments(store: Store) -> None:
    for path in ("table/1", "table/deep/2", "table2/3", "table.json"):
        store.put_if_absent(path, b"x")
    assert listing(store, "table") == ["table/1", "table/deep/2"]
    assert listing(store, "table/deep") == ["table/deep/2"]
    assert listing(store, "tab") == []


def test_list_of_an_empty_store_is_empty(store: Store) -> None:
    assert listing(store) == []


def test_list_finds_more_than_a_page_of_a_bucket(store: Store) -> None:
    paths = [f"many/{number:05}" for number in range(1100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: store.put_if_absent(path, b""), paths))
    assert listing(store, "many") == paths


def test_a_deleted_object_is_gone_and_its_name_free(store: Store) -> None:
    store.put_if_absent("a", b"old")
    store.local_path("a")
    store.delete("a")
    assert store.size("a") is None
    with pytest.raises(NotFoundError, match="no object a in "):
        store.local_path("a")
    store.put_if_absent("a", b"new")
    assert store.local_path("a").read_bytes() == b"new"


def test_delete_of_nothing_or_a_folder_is_no_error(store: Store) -> None:
    store.put_if_absent("a/b", b"1")
    store.delete("nothing/at/all")
    store.delete("a")
    assert listing(store) == ["a/b"]


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/etc/passwd", "a/", "a//b", ".", "..", "../a", "a/../../b", "a/./b", "a\\b", "a\0b"),
        *(
            "C:/windows",
            "a/b:stream",
            "a?",
            "a*",
            "a\nb",
            "a\x7f",
            "a\uffff",
            ".hidden",
            "a/.tmp-1",
            "a.",
            "a /b",
        ),
        *("NUL", "a/con.json", "Lpt1", "\udcff", "x" * 241, "日" * 81, "/".join(["x" * 100] * 9)),
    ],
)
def test_a_path_that_is_no_path_is_refused_by_every_method(store: Store, path: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.put_if_absent(path, b""),
        lambda: store.stage(path).__enter__(),
        lambda: store.get(path),
        lambda: store.size(path),
        lambda: store.local_path(path),
        lambda: store.delete(path),
        lambda: store.lock(path).__enter__(),
        *([lambda: store.list(path)] if path else []),
    ]
    for call in calls:
        with pytest.raises(ArgumentError, match="Not a path inside the lake"):
            call()
    assert listing(store) == []


def test_the_longest_names_work(store: Store) -> None:
    path = "/".join(["日" * 80, "x" * 240, "y" * 240])
    store.put_if_absent(path, b"1")
    with store.lock(path):
        assert listing(store) == [path]
    assert store.local_path(path).read_bytes() == b"1"


@pytest.mark.parametrize(
    "path",
    ["symbol=BRK%2FB/a", "symbol=%E6%97%A5/a", "a b/c+d", "a&b=c;d,e@f$!'()[]{}^`~#", "日経225/é ü", "😀/x"],
)
def test_a_path_is_stored_letter_by_letter(store: Store, path: str) -> None:
    store.put_if_absent(path, path.encode())
    assert store.get(path) == store.local_path(path).read_bytes() == path.encode()
    assert listing(store) == [path]


@given(st.dictionaries(PATHS, st.binary(max_size=100), max_size=5))
def test_any_objects_round_trip(new_store: NewStore, objects: dict[str, bytes]) -> None:
    store = new_store()
    kept = {path: data for path, data in objects.items() if not is_folder_in(objects, path)}
    for path, data in kept.items():
        store.put_if_absent(path, data)
    assert {path: store.get(path) for path in listing(store)} == kept
    assert {path: store.local_path(path).read_bytes() for path in kept} == kept
    assert [entry.size for entry in store.list("")] == [len(kept[path]) for path in sorted(kept)]


def test_a_lock_lets_one_in_after_the_other(store: Store) -> None:
    for _ in range(2):
        with store.lock("t/commit"):
            store.put_if_absent("t/within", b"1")
        store.delete("t/within")
    assert listing(store) == []  # the lock itself is no object


def test_a_block_within_a_lock_raises_its_own_error(store: Store) -> None:
    with pytest.raises(FileNotFoundError, match="mine"), store.lock("t/commit"):
        raise FileNotFoundError("mine")


def test_a_store_travels_to_other_processes(store: Store) -> None:
    store.put_if_absent("a", b"1")
    assert str(pickle.loads(pickle.dumps(store)).url) == store.url


def test_a_store_shows_its_address(store: Store) -> None:
    assert repr(store) == f"{type(store).__name__}({store.url!r})"
