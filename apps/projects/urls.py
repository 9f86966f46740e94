from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    path("o/<slug:organization>/", lambda request, **kwargs: HttpResponse("organization"), name="organization"),
    path("o/<slug:organization>/members/", lambda request, **kwargs: HttpResponse("member-list"), name="member-list"),
    path("o/<slug:organization>/audit/", lambda request, **kwargs: HttpResponse("audit"), name="audit"),
    path("o/<slug:organization>/settings/", lambda request, **kwargs: HttpResponse("organization-settings"), name="organization-settings"),
    path("o/<slug:organization>/p/<slug:project>/keys/", lambda request, **kwargs: HttpResponse("key-list"), name="key-list"),
    path("files/<str:token>", lambda request, **kwargs: HttpResponse("file-link"), name="file-link"),
]
