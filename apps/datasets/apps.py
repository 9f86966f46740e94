from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "apps.datasets"

    def ready(self) -> None:
        from apps.datasets.handlers import ImportHandler
        from apps.jobs.handlers import register
        from apps.jobs.models import Job

        register(Job.Kind.IMPORT, ImportHandler())
