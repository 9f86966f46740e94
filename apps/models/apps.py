from django.apps import AppConfig


class ModelsConfig(AppConfig):
    name = "apps.models"

    def ready(self) -> None:
        from apps.jobs.handlers import register
        from apps.jobs.models import Job
        from apps.models import cleaning
        from apps.models.handlers import CheckHandler, link_to_version

        register(Job.Kind.CHECK, CheckHandler(), link=link_to_version)
        cleaning.register()
