"""What services of the stack embed."""
