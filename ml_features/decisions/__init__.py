"""From features to a list of products that can say why, and that can be decided again."""
