"""One row of a suite examined: discretisation, shuffling, curvature."""
