"""What the services used while they were tested: CPU, waiting for one, memory, pools."""
