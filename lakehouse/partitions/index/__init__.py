"""The planning index: which file, row group and rows hold a symbol at a time, as sorted arrays."""
