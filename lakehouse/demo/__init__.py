"""The main job of a lake, from end to end, on real daily bars: `lake demo`, or `python -m lakehouse.demo`."""
