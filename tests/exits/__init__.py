"""How processes end, bare and under bttrace."""
