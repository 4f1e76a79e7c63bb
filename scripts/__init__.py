"""The command line: short functions over the library, no statistics of their own."""
