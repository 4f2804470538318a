"""Reading, publishing and serving features, beside Feast and the bare clients."""
