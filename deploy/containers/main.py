"""The file that Dataflow's launcher runs."""

from shopstream.pipeline.flex_template import main

if __name__ == "__main__":
    main()
