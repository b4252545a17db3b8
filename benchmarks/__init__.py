"""What bttrace costs. `python -m benchmarks` measures everything; nothing here asserts."""
