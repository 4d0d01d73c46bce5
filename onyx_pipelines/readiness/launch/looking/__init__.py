"""Looks at things and says what is there, as facts. Nothing here decides, and nothing changes
anything, but for what `onyx doctor` writes to a store and an event that is sent to the tracker."""
