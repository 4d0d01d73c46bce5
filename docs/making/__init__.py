"""What the documentation is made with: pages written from the code, pictures, the site's hooks."""
