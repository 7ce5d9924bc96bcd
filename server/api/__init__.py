"""What programs ask and do over HTTP: the acts of the pages, as JSON."""
