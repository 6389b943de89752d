"""What is kept: transactions as plain functions, plain SQL in named files."""
