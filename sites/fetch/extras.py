"""What a site's file may want that is not installed with us. Apart from the engines: commands look, too."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from orchestrator.core.errors import ConfigError

if TYPE_CHECKING:
    from sites.definition.definition import Definition


def need_engine(definition: Definition) -> None:
    """Make sure that what the site's file wants is installed.

    Raises:
        ConfigError: it is not.
    """
    if definition.impersonate and find_spec("curl_cffi") is None:
        problem = f"{definition.name}: impersonate = {definition.impersonate!r} needs curl_cffi"
        raise ConfigError(
            (problem,), hint="pip install 'orch[impersonate]', here and at each worker"
        )
