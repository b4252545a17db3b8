"""What is not delivered, on disk."""
