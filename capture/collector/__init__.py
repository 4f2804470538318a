"""The HTTP collector: capture for browsers and for services in other languages. Needs `shopstream[collector]`."""
