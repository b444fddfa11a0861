"""What jobs of the work queue do, as it is shipped: `fetch` downloads, `exec` runs a command."""
