"""The platform's settings, with training played by a script. For processes that tests start."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as PLATFORM_APPS

INSTALLED_APPS = [*PLATFORM_APPS, "tests.training.played.apps.PlayedConfig"]
JOB_LEASE_S = 3
JOB_RETRY_S = 1
