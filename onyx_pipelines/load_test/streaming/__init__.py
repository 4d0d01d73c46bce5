"""Measures the first token of streamed answers, which k6 cannot see."""
