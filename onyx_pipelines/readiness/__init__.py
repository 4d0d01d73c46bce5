"""Ready for what goes wrong: the playbooks, and which of them fits what is seen now.

Above the capabilities that it asks; works where Dagster does not.
"""
