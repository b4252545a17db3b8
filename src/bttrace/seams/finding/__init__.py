"""Tools that nobody named: found by the names that an answer asks for, and watched."""
