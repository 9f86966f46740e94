"""The platform's settings with what tests must not share with a platform that runs from this folder."""

import os
from pathlib import Path

os.environ.setdefault("STATIC_HASHED", "0")
os.environ.setdefault("DATA_DIR", str(Path(__file__).resolve().parents[1] / "var" / "tests"))
os.environ.setdefault("EMAIL_URL", "memorymail://")

from config.settings import *  # noqa: F403

# What failed by a fault of the machine is tried again at once.
JOB_RETRY_S = 0

# No TensorBoard starts because a test opens every page.
TENSORBOARD_MAX = 0

# Hashing a password takes half a second on purpose. Nobody attacks these.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
