"""The watching of the sandbox: Debian's own Prometheus, Alertmanager and exporters beside it.

The configuration is the product's, rendered for these addresses and for somebody who waits.
"""
