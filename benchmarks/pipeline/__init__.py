"""The job beside the pipeline a team would write from Beam's examples: `make bench-pipeline`."""
