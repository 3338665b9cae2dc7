"""Points: numbers that belong to numbers, as a function's values to its arguments or columns of a table."""
