"""One module per chart; each gives a drawing, or None where there is nothing to draw."""
