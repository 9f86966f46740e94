from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "apps.training"

    def ready(self) -> None:
        from apps.jobs import housekeeping
        from apps.jobs.handlers import register
        from apps.jobs.models import Job
        from apps.jobs.schedules import starting
        from apps.training import cleaning
        from apps.training.handlers import TrainHandler, link_to_run
        from apps.training.scheduling import TRAIN
        from apps.training.studies import advancing

        register(Job.Kind.TRAIN, TrainHandler(), link=link_to_run, keeps_work=True)
        starting.register(TRAIN)
        housekeeping.register("bring studies on", advancing.PERIOD_S, advancing.sweep)
        cleaning.register()
