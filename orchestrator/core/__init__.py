"""The ground: imports nothing else of ours."""
