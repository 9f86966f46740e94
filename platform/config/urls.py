"""Every address. Console: `/o/<organization>/…`, below it `p/<project>/…`; APIs: `/api/…`; operators: `/admin/`."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

import apps.jobs.routing
from apps.jobs import operator_views

# Operators sign in where everybody does, so that their second factor is asked for too.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

PROJECT_PAGES = "o/<slug:organization>/p/<slug:project>/"
PROJECT_API = "api/v1/projects/<uuid:project>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("apps.console.urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("apps.projects.urls")),
    path(PROJECT_PAGES, include("apps.jobs.urls")),
    path(PROJECT_PAGES, include("apps.datasets.urls")),
    path(PROJECT_PAGES, include("apps.models.urls")),
    path(PROJECT_PAGES, include("apps.training.urls")),
    path(PROJECT_PAGES, include("apps.delivery.urls")),
    path(PROJECT_PAGES, include("apps.analytics.urls")),
    path("api/v1/", include("apps.projects.api_urls")),
    path(PROJECT_API, include("apps.jobs.api_urls")),
    path(PROJECT_API, include("apps.datasets.api_urls")),
    path(PROJECT_API, include("apps.models.api_urls")),
    path(PROJECT_API, include("apps.training.api_urls")),
    path(PROJECT_API, include("apps.delivery.api_urls")),
    path(PROJECT_API, include("apps.analytics.api_urls")),
    path("api/device/v1/", include("apps.delivery.device_urls")),
    path("api/device/v1/", include("apps.analytics.device_urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("metrics", operator_views.metrics, name="metrics"),
    path("admin/", admin.site.urls),
]

websocket_urlpatterns = apps.jobs.routing.websocket_urlpatterns

handler404 = "apps.console.views.not_found"
handler403 = "apps.console.views.forbidden"
handler500 = "apps.console.views.server_error"
