"""The platform's settings, with one kind of job replaced by scripts. For processes that tests start."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as PLATFORM_APPS
from config.settings import env

INSTALLED_APPS = [*PLATFORM_APPS, "tests.jobs.scripted.apps.ScriptedConfig"]
ROOT_URLCONF = "tests.jobs.scripted.urls"
JOB_LEASE_S = env.int("JOB_LEASE_S", default=3)
JOB_RETRY_S = env.int("JOB_RETRY_S", default=1)
JOB_CANARY_S = env.int("JOB_CANARY_S", default=4)
