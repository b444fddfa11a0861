"""The version of orch, where it costs no import to know it."""

from __future__ import annotations

VERSION = "0.1.0"
