"""What a site asks of its visitors: robots.txt, pace, quiet hours, and being told to go away."""
