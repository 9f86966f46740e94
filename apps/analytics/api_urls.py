from django.urls import path

from apps.analytics import api_views

urlpatterns = [
    path("analytics", api_views.AnalyticsOverview.as_view(), name="api-analytics"),
    path("analytics/versions/<uuid:version>", api_views.VersionAnalytics.as_view(), name="api-version-analytics"),
]
