from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "apps.training"

    def ready(self) -> None:
        from apps.jobs.handlers import register
        from apps.jobs.models import Job
        from apps.training.handlers import TrainHandler, link_to_run

        register(Job.Kind.TRAIN, TrainHandler(), link=link_to_run, keeps_work=True)
