"""The leased registry of worker nodes and their slots."""
