"""What Prometheus remembers, as pages for people."""
