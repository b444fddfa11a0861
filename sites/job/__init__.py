"""What a site job is, whoever works on it: its states, its record, how it ends."""
