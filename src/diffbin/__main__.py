"""`python -m diffbin`, and so `torchrun ... -m diffbin train`."""

from diffbin.cli import main

if __name__ == "__main__":
    main()
