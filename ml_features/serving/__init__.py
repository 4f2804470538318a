"""Features served: published to Redis, and read from it or from the warehouse."""
