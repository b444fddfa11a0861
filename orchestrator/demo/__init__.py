"""The whole main job on this machine alone, on real components."""
