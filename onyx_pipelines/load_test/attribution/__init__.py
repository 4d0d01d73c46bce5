"""Why a scenario is as slow as it is: latency's parts, their growth under load, and who is full."""
