"""What `harness bench` measures."""
