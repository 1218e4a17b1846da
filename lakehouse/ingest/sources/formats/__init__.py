"""Sources of particular vendors and systems; each is a small difference from reading files."""
