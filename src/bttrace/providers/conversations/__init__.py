"""How the loops of each API read: one module for each."""
