"""The engine of sites whose file says `impersonate`: to a server it is a browser, down to its TLS."""
