"""Speed, as figures and ratios; each module is a command."""
