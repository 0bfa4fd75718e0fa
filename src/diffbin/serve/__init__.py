"""Detection over HTTP: the command `diffbin serve`, and the application behind it for servers of one's own."""
