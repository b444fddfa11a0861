"""From a page to its items and links."""
