"""The HTTP API over the reader. Needs `shopstream[api]`."""
