"""BaLeNAS: a Gaussian over the architecture parameters, learnt by natural gradients."""
