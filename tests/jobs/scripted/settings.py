"""The platform's settings, with one kind of job replaced by scripts. For processes that tests start."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as PLATFORM_APPS

INSTALLED_APPS = [*PLATFORM_APPS, "tests.jobs.scripted.apps.ScriptedConfig"]
ROOT_URLCONF = "tests.jobs.scripted.urls"
JOB_LEASE_S = 3
JOB_RETRY_S = 1
JOB_CANARY_S = 4
