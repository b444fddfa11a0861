"""What runs against what is declared by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.supervise.service import ServiceSpec


def differences(there: Mapping[str, tuple[ServiceSpec, bool]], declared: object) -> dict[str, str]:
    """How the services that are `there` (spec, whether it runs) differ from those `declared`.

    `declared`: {service: [digest, fingerprint]}. The answer holds only what differs: `new`, `gone` (and
    runs), `changed` (a running one would have to be restarted), `tuned` (it would not).
    """
    now = {name: pair for name, pair in _pairs(declared) if len(pair) == 2}  # noqa: PLR2004
    found = {name: "new" for name in now if name not in there}
    for name, (spec, runs) in there.items():
        what = _difference(spec, now.get(name), runs=runs)
        if what:
            found[name] = what
    return found


def _difference(spec: ServiceSpec, now: list[object] | None, *, runs: bool) -> str:
    if now is None:
        return "gone" if runs else ""
    if runs and now[0] != spec.digest:
        return "changed"
    return "" if now[1] == spec.fingerprint else "tuned"


def _pairs(declared: object) -> list[tuple[str, list[object]]]:
    rows = declared.items() if isinstance(declared, dict) else ()
    return [(str(name), list(pair)) for name, pair in rows if isinstance(pair, list)]
