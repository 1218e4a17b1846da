"""Loops over sorted arrays: plain Python, compiled by numba where the input is large enough."""
