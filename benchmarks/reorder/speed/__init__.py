"""How fast the SQL tier is."""
