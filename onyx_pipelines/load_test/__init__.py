"""Load tests: k6 sends the load, and what came back is judged, compared, explained and reported."""
