"""Losses, schedule, averaging, logs, and the loop; needs torch."""
