"""Black-box searchers: they see an architecture's validation accuracy and nothing else."""
