"""The web console at /console: pages over what the server already does; nothing here answers or decides by itself."""
