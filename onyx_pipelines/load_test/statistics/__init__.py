"""What samples prove: percentiles with intervals, objectives, change against a baseline."""
