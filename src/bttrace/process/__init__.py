"""Threads of ours, and what becomes of them when the process forks, ends or is frozen."""
