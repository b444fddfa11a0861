"""Site jobs: one scrape job for each site, over a frontier that nothing loses."""
