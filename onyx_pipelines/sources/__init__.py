"""What is protected: each source offers facts (what the data is) and a dump (a byte stream)."""
