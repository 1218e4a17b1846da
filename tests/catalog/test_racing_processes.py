"""Real processes that publish the same names at the same moment: one wins, the others learn it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.pinned import read_manifest
from lakehouse.catalog.products import load_contract
from lakehouse.catalog.snapshots import list_snapshots
from lakehouse.store import LocalStore, Store

PROCESSES = 4
ROUNDS = 12

PRELUDE = """
    import sys, time
    from pathlib import Path
    from types import SimpleNamespace
    from lakehouse.catalog.contract import Contract
    from lakehouse.catalog.products import create_product
    from lakehouse.catalog.snapshots import publish_snapshot
    from lakehouse.errors import AlreadyExistsError
    from lakehouse.names import ProductName
    from lakehouse.store import LocalStore

    root, me = Path(sys.argv[1]), sys.argv[2]
    store = LocalStore(root)
    Contract.from_yaml((root / "contract.yaml").read_text(encoding="utf-8"))
    (root / f"ready-{me}").touch()
    while not (root / "go").exists():
        time.sleep(0.001)
"""

SNAPSHOTS = """
    for number in range(int(sys.argv[3])):
        facts = SimpleNamespace(major=1, version=int(me), contract_version="1.0.0", rows=1, digest="00" * 16)
        products = {ProductName("a", "b"): (facts, f"manifest of {me}".encode())}
        try:
            print(publish_snapshot(store, f"s{number}", products, author=me).name)
        except AlreadyExistsError:
            pass
"""

CREATION = """
    text = (root / "contract.yaml").read_text(encoding="utf-8")
    for number in range(int(sys.argv[3])):
        mine = text.replace("bars", f"bars{number}").replace("1.2.0", f"{int(me) + 1}.0.0")
        try:
            create_product(store, Contract.from_yaml(mine))
            print(number)
        except AlreadyExistsError:
            pass
"""


def _race(root: Path, script: str) -> list[list[str]]:
    """Start the processes, let them go together, and return what each printed."""
    program = textwrap.dedent(PRELUDE) + textwrap.dedent(script)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(root), str(me), str(ROUNDS)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in range(PROCESSES)
    ]
    while len(list(root.glob("ready-*"))) < PROCESSES and all(racer.poll() is None for racer in racers):
        time.sleep(0.005)
    (root / "go").touch()
    printed = [racer.communicate(timeout=120)[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * PROCESSES
    return printed


def test_each_snapshot_name_has_one_winner_and_its_manifest(store: Store, bars: Contract) -> None:
    root = Path(store.url)
    (root / "contract.yaml").write_text(bars.to_yaml(), encoding="utf-8")
    printed = _race(root, SNAPSHOTS)
    assert sorted(name for names in printed for name in names) == sorted(f"s{i}" for i in range(ROUNDS))
    for snapshot in list_snapshots(LocalStore(root)):
        assert snapshot.name in printed[int(snapshot.author)]
        manifest = read_manifest(store, snapshot.products[0])
        assert manifest == f"manifest of {snapshot.author}".encode()


def test_each_product_has_one_creator_whatever_the_version(store: Store, bars: Contract) -> None:
    root = Path(store.url)
    (root / "contract.yaml").write_text(bars.to_yaml(), encoding="utf-8")
    printed = _race(root, CREATION)
    assert sorted(int(number) for numbers in printed for number in numbers) == list(range(ROUNDS))
    for winner, numbers in enumerate(printed):
        for number in numbers:
            name = type(bars.name)("market_data", f"bars{number}")
            assert load_contract(store, name).version == f"{winner + 1}.0.0"
