"""Which environment a name, an id or a request means."""
