"""Rules on features and quality that tell people: what is found, who is told, and how often."""
