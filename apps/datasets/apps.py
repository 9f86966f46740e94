from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "apps.datasets"

    def ready(self) -> None:
        from apps.datasets.handlers import ImportHandler, link_to_version
        from apps.datasets.uploads import sweep_uploads
        from apps.jobs import housekeeping
        from apps.jobs.handlers import register
        from apps.jobs.models import Job

        register(Job.Kind.IMPORT, ImportHandler(), link=link_to_version)
        housekeeping.register("clear expired uploads", 300, sweep_uploads)
