"""Who does the runs of a plan: claims in the store, processes on this machine."""
