"""The microscope as a static site: pages for a network, its layers, its units, and photographs."""
