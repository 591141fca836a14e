"""Zero-cost proxies: the contract, and how well they rank a table."""
