"""Help for people who write a site file."""
