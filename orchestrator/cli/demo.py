"""`orch demo`."""


def demo() -> None:
    """Run the whole main job on this machine alone, with real components."""
