"""The program of `matching`: standard library alone, so that it starts within some 20 ms."""

from __future__ import annotations

import json
import re
import sys
from itertools import islice


def main() -> None:
    """Write the named groups of every match, as a JSON list of objects."""
    order = json.load(sys.stdin.buffer)
    matches = re.compile(order["pattern"], re.MULTILINE).finditer(order["text"])
    found = [
        {name: value for name, value in match.groupdict().items() if value}
        for match in islice(matches, order["most"])
    ]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
