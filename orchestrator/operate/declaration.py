"""What the services of a home are today, as its configuration declares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.core import config
from orchestrator.supervise import specs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.core.home import Home


def declare(home: Home, overrides: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the specs of all services as JSON objects, each after what it needs; make the folders.

    Raises:
        ConfigError: with every problem of the configuration.
        Unavailable: something that is needed is not there.
    """
    loaded = config.load(home, overrides)
    home.make()
    return [spec.to_json() for spec in specs.build(loaded)]
