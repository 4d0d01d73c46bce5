"""PostgreSQL comes back: into scratch for drills, and for good."""
