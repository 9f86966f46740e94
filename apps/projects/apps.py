from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "apps.projects"

    def ready(self) -> None:
        from apps.projects import schema  # noqa: F401  (registers itself with the API reader)
