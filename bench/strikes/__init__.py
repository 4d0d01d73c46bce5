"""What can be done to a watched sandbox, for real, each leaving behind what makes it good again."""
