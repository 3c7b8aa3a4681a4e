"""Reports: pages about one photograph, or about the mistakes of a network."""
