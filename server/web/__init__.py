"""Pages: server-rendered HTML, one module of views per resource."""
