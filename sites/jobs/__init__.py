"""Jobs over Redis: one for each site, worked on by shards."""
