"""What the collector and the serving API have in common as HTTP servers. Needs `shopstream[collector]` or `[api]`."""
