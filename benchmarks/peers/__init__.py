"""What bttrace is measured beside: other tracers, nothing, and the floor. A *peer* is any of them."""
