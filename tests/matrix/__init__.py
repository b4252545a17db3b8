"""Runs the compatibility suite in environments of many versions: `python -m tests.matrix`.

Needs nothing but the standard library, and a package registry that pip reaches.
"""
