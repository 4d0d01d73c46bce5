"""The sandbox's services as containers with limits, on a Docker engine of this machine.

There is no registry: the image is empty but for links, and a container sees this machine's programs
read-only, the sandbox's directory, and nothing else of it. It shares the machine's network and
process ids, so that addresses, pid files and signals are those of a process.
"""
