"""Zero-cost proxies: scores of untrained networks, as their published code computes them."""
