"""A front end in a real Node that can fail, and reports that as Suna does (deploy/suna)."""
