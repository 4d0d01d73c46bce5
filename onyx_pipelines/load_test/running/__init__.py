"""Runs the plan: units that are whole or not there, in a folder that a restart goes on with."""
