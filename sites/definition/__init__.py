"""What a person says about a site: its file, and its class."""
