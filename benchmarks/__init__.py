"""What `./run bench` runs: each module without an underscore is a benchmark by that name."""
