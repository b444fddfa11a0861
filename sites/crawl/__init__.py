"""A crawl: many pages in flight, whatever keeps the frontier."""
