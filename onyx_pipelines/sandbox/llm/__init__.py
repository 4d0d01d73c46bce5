"""The language model of the sandbox: a mock with fixed delays, and LiteLLM's real proxy."""
