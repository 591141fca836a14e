"""Which runs may meet in one section, and what the table says of it."""
