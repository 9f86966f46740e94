from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "apps.datasets"

    def ready(self) -> None:
        from apps.datasets import cleaning
        from apps.datasets.handlers import ImportHandler, link_to_version
        from apps.datasets.uploads import awaits_bytes, sweep_uploads
        from apps.jobs import housekeeping
        from apps.jobs.handlers import register
        from apps.jobs.models import Job
        from apps.projects import receiving

        register(Job.Kind.IMPORT, ImportHandler(), link=link_to_version)
        receiving.accept_only(awaits_bytes)
        housekeeping.register("clear expired uploads", 300, sweep_uploads)
        cleaning.register()
