"""What is said around a call: by blocks of the application's code, by requests, by headers."""
