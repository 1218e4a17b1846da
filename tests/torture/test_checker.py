"""The checker itself: it is content with a true history, and objects to each way to falsify it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.torture.checker import check
from tests.torture.delta import table_folder
from tests.torture.history import Journal
from tests.torture.model import KEYED, KEYLESS
from tests.torture.operations import Hand
from tests.torture.worker import attempt

STEPS: list[dict[str, Any]] = [
    {"do": "create"},
    {"do": "append", "product": KEYED, "rows": [["A", 0, 1.5, 1], ["B", 4, 2.0, 2]]},
    {"do": "append", "product": KEYLESS, "rows": [["A", 0, 1.0, 3], ["A", 0, 1.0, 4]]},
    {"do": "upsert", "product": KEYED, "rows": [["A", 0, 9.5, 5], ["C", 1, 2.0, 6]]},
    {"do": "snapshot", "name": "snapshot-q3"},
    {"do": "append", "product": KEYED, "rows": [["A", 0, 7.0, 7]]},  # the key is stored: refused
    {"do": "append", "product": KEYED, "rows": [["C", 9, 1.0, 8]]},
    {"do": "lock", "name": "lock-q3"},
    {"do": "hold"},
    {"do": "update", "product": KEYLESS, "rows": [["A", 0, 3.0, 9]]},
    {"do": "delete", "product": KEYED, "symbols": ["B"], "slots": [0, 9]},
    {"do": "use"},
    {"do": "restore", "product": KEYED, "to": 1},
    {"do": "read_old", "product": KEYED, "to": 2},
    {"do": "read", "product": KEYED},
    {"do": "verify"},
    {
        "do": "transaction",
        "name": "transaction-q3",
        "parts": [{"do": "append", "product": KEYLESS, "rows": [["C", 3, 1.0, 10]]}],
    },
    {"do": "diff", "names": ["snapshot-q3", "transaction-q3"]},
    {"do": "doctor", "quick": True, "repair": False},
]
HEAD = 5
JOURNAL = "journals/0-1.jsonl"

Lie = Callable[[Path], None]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a run in which everything went right."""
    root = tmp_path_factory.mktemp("honest")
    (root / "journals").mkdir()
    hand, journal = Hand(root), Journal(root / JOURNAL)
    for number, step in enumerate(STEPS):
        attempt(hand, journal, {"id": f"s{number}", **step})
    return root


@pytest.fixture
def root(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "run"))


def entry(root: Path, version: int) -> Path:
    return table_folder(root / "lake", KEYED) / "_delta_log" / f"{version:020}.json"


def edit(root: Path, identity: str, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Change the two lines of an operation in the journal."""
    lines = [json.loads(line) for line in (root / JOURNAL).read_text().splitlines()]
    for begun, ended in zip(lines[::2], lines[1::2], strict=True):
        if begun["step"]["id"] == identity:
            change(begun, ended)
    (root / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in lines))


def lose_a_write(root: Path) -> None:
    entry(root, HEAD).unlink()
    entry(root, HEAD - 1).unlink()


def lose_a_write_in_the_middle(root: Path) -> None:
    entry(root, 2).unlink()


def overwrite_a_write(root: Path) -> None:
    shutil.copyfile(entry(root, 1), entry(root, HEAD))


def double_a_write(root: Path) -> None:
    shutil.copyfile(entry(root, 3), entry(root, HEAD + 1))


def fork(root: Path) -> None:
    (root / "archive" / KEYED).mkdir(parents=True)
    shutil.copyfile(entry(root, 1), root / "archive" / KEYED / entry(root, 2).name)


def commit_what_raised(root: Path) -> None:
    edit(root, "s6", lambda _, ended: ended.update(result=None, error="ConflictError", message=""))


def forget_who_wrote(root: Path) -> None:
    edit(root, "s6", lambda begun, _: begun["step"].update(id="somebody"))


def read_an_old_head(root: Path) -> None:
    old: dict[str, Any] = {}
    edit(root, "s13", lambda _, ended: old.update(ended["result"]))
    edit(root, "s14", lambda _, ended: ended.update(result=old))


def read_half_a_commit(root: Path) -> None:
    edit(root, "s14", lambda _, ended: ended["result"]["rows"].pop())


def read_another_digest(root: Path) -> None:
    edit(root, "s14", lambda _, ended: ended["result"].update(digest="0" * 32))


def write_in_another_order(root: Path) -> None:
    """The first write begins only after the last had ended."""
    last: list[int] = []
    edit(root, "s12", lambda _, ended: last.append(ended["ended"]))
    edit(root, "s1", lambda _, ended: ended.update(ended=last[0] + 2))
    edit(root, "s1", lambda begun, _: begun.update(invoked=last[0] + 1))


def change_what_is_held(root: Path) -> None:
    edit(root, "s8", lambda _, ended: ended["result"]["seen"][KEYLESS].update(digest="1" * 32))


def change_a_snapshot(root: Path) -> None:
    edit(root, "s4", lambda _, ended: ended["result"]["seen"][KEYED].update(version=1))


def lose_a_snapshot(root: Path) -> None:
    (root / "lake" / "catalog" / "snapshots" / "snapshot-q3.json").unlink()


def lose_a_lock(root: Path) -> None:
    (root / "lock-q3").unlink()


def lose_a_pinned_file(root: Path) -> None:
    action = json.loads(entry(root, 2).read_text().splitlines()[-1])
    (table_folder(root / "lake", KEYED) / action["add"]["path"]).unlink()


def alter_a_file(root: Path) -> None:
    action = json.loads(entry(root, 1).read_text().splitlines()[-1])
    file = table_folder(root / "lake", KEYED) / action["add"]["path"]
    data = file.read_bytes()
    file.write_bytes(data[:20] + bytes([data[20] ^ 1]) + data[21:])


def miscount(root: Path) -> None:
    entry(root, 3).write_text(entry(root, 3).read_text().replace('"rows":4,', '"rows":5,'))


def mistake_the_digest(root: Path) -> None:
    text = entry(root, 3).read_text()
    digest = json.loads(text.splitlines()[0])["commitInfo"]["lakehouse"]["digest"]
    entry(root, 3).write_text(text.replace(digest, "2" * 32))


def raise_a_foreign_error(root: Path) -> None:
    edit(root, "s14", lambda _, ended: ended.update(result=None, error="FileNotFoundError", message="part-1"))


def expire_without_standing_still(root: Path) -> None:
    edit(root, "s14", lambda _, ended: ended.update(result=None, error="LeaseExpiredError", message=""))


def name_another_version(root: Path) -> None:
    document = root / "lake" / "catalog" / "snapshots" / "transaction-q3.json"
    document.write_text(document.read_text().replace('"version": 3', '"version": 2'))


def refuse_a_transaction_that_landed(root: Path) -> None:
    edit(root, "s16", lambda _, ended: ended.update(result=None, error="KeyConflictError", message=""))


def hide_a_difference(root: Path) -> None:
    edit(root, "s17", lambda _, ended: ended["result"]["differences"][KEYLESS]["added"].pop())


def find_damage(root: Path) -> None:
    finding = ["altered-file", "part-1.parquet", "it has other bytes"]
    edit(root, "s18", lambda _, ended: ended["result"]["findings"].append(finding))


LIES: list[tuple[Lie, str]] = [
    (lose_a_write, r"the delete s10 was acknowledged as version 4, and is lost"),
    (lose_a_write_in_the_middle, r"the log has a hole"),
    (overwrite_a_write, r"the append s1 is in the log 2 times"),
    (double_a_write, r"the append s6 is in the log 2 times"),
    (fork, r"version 2 was committed twice, with different entries"),
    (commit_what_raised, r"the operation s6 raised, and is in the log"),
    (forget_who_wrote, r"nobody asked for version 3"),
    (read_an_old_head, r"the read s14 is at version 2, though version 4 was known before it began"),
    (read_half_a_commit, r"the read s14 shows other rows than version 5 has"),
    (read_another_digest, r"the read s14 shows another digest than version 5 has"),
    (write_in_another_order, r"the append s1 is at version 1, though version 4 was known before it began"),
    (change_what_is_held, r"what s8 held has another digest in s11 than at first"),
    (change_a_snapshot, r"the pin snapshot-q3 was .* at first, and is"),
    (lose_a_snapshot, r"the pin snapshot-q3 was acknowledged, and is lost"),
    (lose_a_lock, r"the pin lock-q3 was acknowledged, and is lost"),
    (lose_a_pinned_file, r"the pin snapshot-q3 can not be read"),
    (alter_a_file, r"the file date=.*parquet was altered"),
    (miscount, r"version 3 says 5 rows, and has 4"),
    (mistake_the_digest, r"version 3 has another digest than its rows"),
    (expire_without_standing_still, r"the read s14 raised LeaseExpiredError"),
    (name_another_version, r"the name of transaction s16 holds"),
    (refuse_a_transaction_that_landed, r"the transaction s16 was refused, and s16/0 is in the log"),
    (hide_a_difference, r"the diff s17 of market_data.prints is"),
    (find_damage, r"the doctor s18 found altered-file"),
    (raise_a_foreign_error, r"the read s14 raised FileNotFoundError: part-1"),
]


def test_a_true_history_meets_no_objection(honest: Path) -> None:
    said = [json.loads(line) for line in (honest / JOURNAL).read_text().splitlines()]
    assert [line["error"] for line in said if "error" in line] == ["KeyConflictError"]
    assert check(honest) == []


@pytest.mark.parametrize(("lie", "objection"), LIES, ids=[lie.__name__ for lie, _ in LIES])
def test_each_lie_is_found(root: Path, lie: Lie, objection: str) -> None:
    lie(root)
    with pytest.raises(AssertionError, match=objection):
        assert not (found := check(root)), "\n".join(found)
