"""Black-box searches: the contract, the loop that asks and tells, the evaluators."""
