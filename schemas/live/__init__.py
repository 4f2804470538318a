"""What the stream says of a user between two nightly jobs: by the same formulas, held equal by tests."""
