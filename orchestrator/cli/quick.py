"""The commands that are typed most, without the imports that make a command line comfortable.

`orch status --json` and a second `orch up [-d]` cost little more than Python's own start. Whatever is
not exactly one of these, or has more to say, is left to the full command line.
"""

from __future__ import annotations
