from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "apps.jobs"

    def ready(self) -> None:
        from apps.jobs import housekeeping, saved_work
        from apps.jobs.folders import remove_left_folders
        from apps.jobs.sweep import sweep

        housekeeping.register("sweep jobs", 5, sweep)
        housekeeping.register("remove left job folders", 3600, remove_left_folders)
        housekeeping.register("remove old saved work", 3600, saved_work.sweep)
