"""The platform's settings, with one kind of job replaced by scripts. For processes that tests start."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as PLATFORM_APPS
from config.settings import Q_CLUSTER

INSTALLED_APPS = [*PLATFORM_APPS, "tests.jobs.scripted.apps.ScriptedConfig"]
JOB_LEASE_S = 3
Q_CLUSTER = {**Q_CLUSTER, "poll": 0.2}
