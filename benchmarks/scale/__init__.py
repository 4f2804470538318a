"""Rising load on the local stack until it cannot follow: where the knee is, who is busy there, what waiting follows."""
