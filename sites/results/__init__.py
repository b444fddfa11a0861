"""What was scraped: written once, compared, handed out."""
