"""The command `lake`: the same lake as in Python, for terminals and scripts."""
