"""Where an index is made: in this process, or on a Ray cluster."""
