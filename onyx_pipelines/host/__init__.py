"""What a process needs of the machine that it runs on: durable files, locks, processes, scratch."""
