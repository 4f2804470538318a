"""What SQL cannot do: fitting weights, and judging predictions."""
