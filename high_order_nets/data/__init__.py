"""What is learned from, by kind."""
