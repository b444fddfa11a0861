"""Jobs over Redis: any number of workers have a part in each."""
