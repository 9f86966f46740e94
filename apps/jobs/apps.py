from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "apps.jobs"

    def ready(self) -> None:
        from apps.jobs import cleaning, housekeeping, nightly, saved_work, workers
        from apps.jobs.folders import remove_left_folders
        from apps.jobs.notices import chores as notices
        from apps.jobs.schedules import timers
        from apps.jobs.sweep import ask_for_work, sweep

        housekeeping.register("sweep jobs", 5, sweep)
        housekeeping.register("say that the worker is alive", 5, workers.beat)
        housekeeping.register("ask for work", 3, ask_for_work)
        housekeeping.register("forget workers that are gone", 60, workers.forget_gone)
        housekeeping.register("mend timers of schedules", 60, timers.mend)
        housekeeping.register("keep the schedule of the clean-up", 600, nightly.keep_schedule)
        housekeeping.register("remove left job folders", 3600, remove_left_folders)
        housekeeping.register("remove old saved work", 3600, saved_work.sweep)
        notices.register()
        cleaning.register()
