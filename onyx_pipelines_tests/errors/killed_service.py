"""Captures errors and is killed: nothing of the process has a chance to send anything."""

from __future__ import annotations

import os
import signal
import sys

import sentry_sdk

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.errors.tracking import start_error_tracking

start_error_tracking(load_settings(), "api-server")
for number in range(20):
    sys.stdout.write(f"{sentry_sdk.capture_exception(ValueError(str(number)))}\n")
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGKILL)
