"""The network and its checkpoints; needs torch."""
