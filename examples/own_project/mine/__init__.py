"""What this project adds: a network, a loss and a data set."""
