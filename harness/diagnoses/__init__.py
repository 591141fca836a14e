"""One row of a suite examined: what a diagnosis is, and discretisation, shuffling, curvature."""
