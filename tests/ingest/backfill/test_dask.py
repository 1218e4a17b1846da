"""The executor of a Dask client, whose workers are other processes, loads a backfill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import distributed

import lakehouse

NAME = "market_data.bars_1d"
Vendor = Callable[..., Path]
Serial = Callable[[Path], str]


def test_a_dask_cluster_loads_what_one_thread_loads(
    lake: lakehouse.Lake, vendor: Vendor, serial: Serial
) -> None:
    folder = vendor(6)
    with (
        distributed.LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        report = lake.backfill(NAME, folder, executor=client.get_executor(), workers=2)
    assert report.ok
    assert report.digest == serial(folder)
    assert [entry for entry in lake.store.list("partitions") if "_staging" in entry.path] == []
