"""The whole path of a lake in a bucket again, on a real S3 server: Ceph radosgw."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.services
@pytest.mark.timeout(1200)
def test_a_lake_in_a_bucket_works_on_ceph(radosgw: dict[str, str]) -> None:
    environment = os.environ | radosgw | {"LAKEHOUSE_TEST_S3_ENDPOINT": radosgw["AWS_ENDPOINT_URL"]}
    options = ["-q", "-p", "no:cacheprovider", "--durations=10"]
    names = ("test_lake_on_s3.py", "test_lake_on_s3_readers.py", "test_lake_on_s3_protocol.py")
    suites = [f"tests/lake/{name}" for name in names]
    command = [sys.executable, "-m", "pytest", *options, *suites]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
