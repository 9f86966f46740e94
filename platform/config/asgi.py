"""HTTP by Django, websockets by Channels."""

import os
import warnings
from typing import Any

import django

# WhiteNoise hands static files over as plain iterators, which Django then gathers in memory; they are small.
warnings.filterwarnings("ignore", "StreamingHttpResponse must consume synchronous iterators", Warning)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django.setup(set_prefix=False)  # loads the apps, which the imports below need

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from apps.projects.file_uploads import FileUploads  # noqa: E402
from config.handler import OneThreadHandler  # noqa: E402
from config.urls import websocket_urlpatterns  # noqa: E402

http: Any = OneThreadHandler()
application = ProtocolTypeRouter(
    {
        "http": FileUploads(http),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
