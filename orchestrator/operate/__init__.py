"""Running a home: bringing it up and down, and finding out what is wrong."""
