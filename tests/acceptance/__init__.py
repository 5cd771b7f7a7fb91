"""The slow checks that `make acceptance` runs: the installed commands, at the size and for the length of real use."""
