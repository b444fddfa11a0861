"""`make bench-proxies`: the check of proxies, in figures.

`python -m tests.bench.proxies PART…` does only these parts, and writes nothing; so does
`python -m tests.bench.proxies_check PART…` with the parts of the check.
"""

from __future__ import annotations

from tests.bench.proxies_check import check
from tests.bench.proxies_file import rows as file
from tests.bench.proxies_gateway import bad, rate
from tests.bench.proxies_gateway_rivals import RIVALS
from tests.bench.proxies_pick import picking
from tests.bench.proxies_pick_cost import cost
from tests.bench.proxies_refresh import rows as refresh
from tests.bench.table import Parts, measure

PARTS: Parts = {
    "check": check,
    "refresh": refresh,
    "file": file,
    "pick": picking,
    "pick-cost": cost,
    "gateway": bad,
    "gateway-rate": rate,
}


if __name__ == "__main__":
    measure(
        "proxies",
        PARTS,
        beside=[rival.name for rival in RIVALS if rival.there()],
        missing=[rival.name for rival in RIVALS if not rival.there()],
    )
