"""Speed against peers and against the floor: `python -m benchmarks`, or `make bench`."""
