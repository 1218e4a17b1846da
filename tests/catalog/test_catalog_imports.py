from __future__ import annotations

import subprocess
import sys

MODULES = ("contract", "domains", "infer", "locks", "products", "snapshots", "starter")


def test_the_catalog_loads_no_heavy_library_until_it_reads_a_contract() -> None:
    imports = "; ".join(f"import lakehouse.catalog.{name}" for name in MODULES)
    heavy = "{'yaml', 'pydantic', 'open_data_contract_standard', 'pyarrow', 'numpy', 'polars', 'duckdb'}"
    program = f"import sys; {imports}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
