"""The measurements; each module yields rows of the table."""
