"""The gates of the sites of a home, for commands and Python: how they stand, and what people may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from orchestrator.core.errors import ConfigError, RedisUnavailable
from orchestrator.core.redis import translated
from orchestrator.gate import view
from orchestrator.gate.admin import Steering
from orchestrator.gate.notice import told
from orchestrator.gate.view import Asked
from sites.definition.definition import Definition
from sites.politeness.gates import limits_of
from sites.shared.record import Records

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.core.context import Context
    from orchestrator.gate.picture import GateView
    from sites.definition.registry import Registry

T = TypeVar("T")

#: So many hosts of a site have rows at most.
MOST_HOSTS = 100


class GateStatus:
    """Reads and steers gates. What a job that is active works by counts; then what the site's file says.

    A gate of somebody's own program has neither: it is what the program says that it goes by.
    """

    def __init__(self, context: Context, registry: Registry) -> None:
        self._context = context
        self._registry = registry

    def all(self) -> tuple[list[GateView], tuple[str, ...]]:
        """Return the gates of all sites that are defined or used, by name, and problems of site files.

        Raises:
            RedisUnavailable: there is no answer; `hint` says who goes on without one.
        """
        found, problems = self._registry.entries()
        defined = {name: entry.definition for name, entry in found.items()} | self._at_work()
        asked = {name: Asked(name, limits_of(defined[name])) for name in defined}
        used = self._ask(lambda: view.names(self._context.redis, self._context.keys))
        asked |= {name: Asked(name) for name in used if name not in asked}
        rows = self._read([asked[name] for name in sorted(asked)])
        return [row for row in rows if row["known"] or row["site"] in defined], problems

    def of(self, site: str) -> GateView:
        """Return the gate of one site, with its hosts if they have limits of their own.

        Raises:
            ConfigError: there is no such site, and no such gate.
        """
        return self._read([self._asked(site)])[0]

    def steer(self, site: str, act: Callable[[Steering], None]) -> GateView:
        """Let a person act, and return how the gate stands then."""
        asked = self._asked(site)
        redis, keys = self._context.redis, self._context.keys
        self._ask(lambda: act(Steering(redis, keys, site, asked.limits)))
        return self._read([asked])[0]

    def _asked(self, site: str) -> Asked:
        definition = self._at_work().get(site)
        if definition is None:
            try:
                definition = self._registry.get(site).definition
            except ConfigError:
                if not self._read([Asked(site)])[0]["known"]:
                    raise
                redis, keys = self._context.redis, self._context.keys
                return Asked(site, self._ask(lambda: view.limits_in_use(redis, keys, site)))
        limits = limits_of(definition)
        hosts = dict.fromkeys(map(limits.host_key, definition.allowed_hosts))
        return Asked(site, limits, list(hosts)[:MOST_HOSTS] if limits.by_host else ())

    def _at_work(self) -> dict[str, Definition]:
        def read() -> dict[str, Definition]:
            records = Records(self._context.redis, self._context.keys)
            jobs = [records.read(ref) for ref in records.active()]
            return {
                job.ref.site: Definition.model_validate_json(job.definition) for job in jobs if job
            }

        return self._ask(read)

    def _read(self, asked: list[Asked]) -> list[GateView]:
        return self._ask(lambda: view.read(self._context.redis, self._context.keys, asked))

    def _ask(self, asking: Callable[[], T]) -> T:
        try:
            with translated():
                return asking()
        except RedisUnavailable as error:
            alone = [
                f"{site}: {words}" for site, words in told(str(self._context.home.run)).items()
            ]
            hint = "; ".join(part for part in (error.hint, *alone) if part)
            raise type(error)(str(error), hint=hint) from error
