"""The official SQL-on-FHIR v2 suite: what fails and why, then `sql-on-fhir: N/134 (shareable M/123)`.

python benchmarks/sof.py            # on DuckDB
python benchmarks/sof.py --spark    # on Spark before (needs pyspark and Java)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from adapter.datasets.engines import spark as on_spark
from tests.support.sql_on_fhir import EXPECTED_FAILURES, MISSING, Run, cases, failure, on_engine


def report(name: str, run: Run) -> int:
    """Print what fails and the figures; 1 where something fails, or passes, that should not."""
    found = [(case, failure(case, run)) for case in cases()]
    unexpected = 0
    for case, why in found:
        known = EXPECTED_FAILURES[name].get(case.id)
        if why is not None:
            print(f"{case.id}: {known or why}")
        unexpected += (why is None) != (known is None)
    passed = [case for case, why in found if why is None]
    shareable, of_shareable = (sum(case.shareable for case in some) for some in (passed, [case for case, _ in found]))
    shown = "" if name == "duckdb" else f" on {name}"
    print(f"sql-on-fhir{shown}: {len(passed)}/{len(found)} (shareable {shareable}/{of_shareable})")
    return 1 if unexpected else 0


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spark", action="store_true", help="on Spark before")
    given = parser.parse_args()
    if not cases():
        print(f"sql-on-fhir: skipped: {MISSING}")
        return 0
    code = 0
    if given.spark:
        with on_spark.session() as spark:
            code = report("spark", on_engine("spark", spark))
    return max(code, report("duckdb", on_engine("duckdb")))


if __name__ == "__main__":
    sys.exit(main())
