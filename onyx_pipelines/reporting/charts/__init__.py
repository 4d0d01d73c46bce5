"""Charts by matplotlib that know nothing of what they show, in the colours of the page."""
