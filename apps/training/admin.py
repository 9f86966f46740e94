from django.contrib import admin

from apps.projects.admin import TenantAdmin
from apps.training.models import RunFile, SpecFile, Study, TrainedModel, TrainingRun, Trial


@admin.register(TrainingRun)
class TrainingRunAdmin(TenantAdmin):
    list_display = ("name", "number", "job_state", "model", "dataset_version", "project", "created_by", "created_at")
    list_select_related = ("project", "model", "dataset_version__dataset", "job", "created_by")
    search_fields = ("name", "model__slug", "project__name", "project__organization__slug")
    date_hierarchy = "created_at"

    @admin.display(description="State", ordering="job__state")
    def job_state(self, run: TrainingRun) -> str:
        return run.job.get_state_display()


@admin.register(TrainedModel)
class TrainedModelAdmin(TenantAdmin):
    list_display = ("spec_id", "role", "run", "version", "project")
    list_select_related = ("project", "run", "version__model")
    list_filter = ("role",)
    search_fields = ("spec_id", "run__name", "project__name", "project__organization__slug")


@admin.register(SpecFile)
class SpecFileAdmin(TenantAdmin):
    list_display = ("name", "upload", "project", "created_by", "created_at")
    list_select_related = ("project", "upload", "created_by")
    search_fields = ("name", "project__name", "project__organization__slug")
    date_hierarchy = "created_at"


@admin.register(RunFile)
class RunFileAdmin(TenantAdmin):
    list_display = ("path", "run", "sha256", "project")
    list_select_related = ("project", "run")
    search_fields = ("path", "sha256", "run__name", "project__name", "project__organization__slug")


@admin.register(Study)
class StudyAdmin(TenantAdmin):
    list_display = (
        "name",
        "state",
        "trials_wanted",
        "at_once",
        "sampler",
        "pruner",
        "project",
        "created_by",
        "created_at",
    )
    list_select_related = ("project", "created_by")
    list_filter = ("state", "sampler", "pruner", "runs_on")
    search_fields = ("name", "project__name", "project__organization__slug")
    date_hierarchy = "created_at"


@admin.register(Trial)
class TrialAdmin(TenantAdmin):
    list_display = ("study", "number", "state", "value", "bytes", "project", "created_at")
    list_select_related = ("project", "study")
    list_filter = ("state",)
    search_fields = ("study__name", "project__name", "project__organization__slug")
