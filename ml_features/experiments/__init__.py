"""What an experiment found: lifts with intervals that hold however often one looks, and how many users it takes."""
