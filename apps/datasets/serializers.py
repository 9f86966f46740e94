"""What the team API takes in and gives out about uploads and datasets."""

from __future__ import annotations

from typing import TypedDict

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.datasets.data_spec import MAX_CHARACTERS
from apps.datasets.models import Dataset, DatasetVersion, Upload
from apps.datasets.services import BAD_VALUES, DEFAULT_SEED, DEFAULT_TEST, DEFAULT_VALIDATION
from apps.errors import Detail
from ml.features.spec import AXES

MAX_SIZE = 2**63 - 1  # of a file, in every file system; and of a number in the database


class UploadIn(serializers.Serializer[None]):
    purpose = serializers.ChoiceField(choices=Upload.Purpose.choices)
    filename = serializers.CharField(max_length=255, trim_whitespace=False)
    size = serializers.IntegerField(
        max_value=MAX_SIZE,
        error_messages={
            "max_value": "No upload is that large. Accepted: at most {max_value} bytes, and what this platform allows.",
            "max_string_length": "No upload is that large.",
        },
        help_text="Bytes. Reserved from the organization's quota at once.",
    )
    sha256 = serializers.CharField(
        required=False, allow_blank=True, help_text="64 hexadecimal digits: then completing the upload checks it."
    )


class UploadOut(serializers.ModelSerializer[Upload]):
    class Meta:
        model = Upload
        fields = ["id", "purpose", "state", "filename", "size", "sha256", "created_at", "expires_at"]


class NewUploadOut(UploadOut):
    """Send exactly `size` bytes to `url` by `method` with `headers`, before `expires_at`; then complete the upload.

    `resumable`: the body may come in pieces, each with a `Content-Range` header, and after a break `HEAD url` tells
    by the header `Upload-Offset` where to go on.
    """

    url = serializers.URLField()
    method = serializers.CharField()
    headers = serializers.DictField(child=serializers.CharField())
    resumable = serializers.BooleanField()

    class Meta(UploadOut.Meta):
        fields = [*UploadOut.Meta.fields, "url", "method", "headers", "resumable"]


class DatasetIn(serializers.Serializer[None]):
    name = serializers.CharField(max_length=100)
    slug = serializers.CharField(
        max_length=50, required=False, allow_blank=True, help_text="Its name in addresses; made of the name by default."
    )


class DatasetOut(serializers.ModelSerializer[Dataset]):
    version_count = serializers.IntegerField()
    newest_number = serializers.IntegerField(allow_null=True)
    newest_state = serializers.ChoiceField(choices=DatasetVersion.State.choices, allow_null=True)
    newest_examples = serializers.IntegerField(allow_null=True)

    class Meta:
        model = Dataset
        fields = [
            *("id", "name", "slug", "created_at"),
            *("version_count", "newest_number", "newest_state", "newest_examples"),
        ]


class VersionIn(serializers.Serializer[None]):
    upload = serializers.UUIDField(help_text="Of a completed upload with the purpose `dataset`.")
    seed = serializers.IntegerField(default=DEFAULT_SEED, help_text="Decides which example goes into which split.")
    validation = serializers.FloatField(default=DEFAULT_VALIDATION, help_text="Share of the examples, 0.01 … 0.5.")
    test = serializers.FloatField(default=DEFAULT_TEST, help_text="Share of the examples, 0.01 … 0.5.")
    data_spec = serializers.CharField(
        default="",
        allow_blank=True,
        trim_whitespace=False,
        max_length=MAX_CHARACTERS,
        help_text="YAML that says what the file holds: `task`, `features`, and if need be `classes`, `split`, "
        "`augmentation`. Not needed for class folders of images or sounds, nor for tables with `text` and `label`.",
    )
    bad_values = serializers.ChoiceField(
        choices=list(BAD_VALUES),
        default="refuse",
        help_text="What happens to rows with numbers that are missing, NaN or infinite: the whole file is refused, or "
        "they are left out (`skip`).",
    )


class ErrorOut(serializers.Serializer[None]):
    """Why the import failed; `details` tie reasons to files of an archive or rows of a table."""

    code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.ListField(child=serializers.DictField())


class VersionError(TypedDict):
    code: str
    message: str
    details: list[Detail]


class VersionSummaryOut(serializers.ModelSerializer[DatasetVersion]):
    dataset = serializers.UUIDField(source="dataset_id")
    job = serializers.UUIDField(source="job_id")
    splits = serializers.DictField(child=serializers.IntegerField())
    error = serializers.SerializerMethodField()

    class Meta:
        model = DatasetVersion
        fields = [
            *(
                "id",
                "dataset",
                "number",
                "state",
                "job",
                "error",
                "num_examples",
                "splits",
                "bytes",
                "sha256",
                "created_at",
            ),
        ]

    @extend_schema_field(ErrorOut(allow_null=True))
    def get_error(self, version: DatasetVersion) -> VersionError | None:
        if version.state != DatasetVersion.State.FAILED:
            return None
        job = version.job
        return {"code": job.error_code, "message": job.error_message, "details": job.error_details}


class SpectrogramOut(serializers.Serializer[None]):
    window_ms = serializers.FloatField()
    hop_ms = serializers.FloatField()
    bands = serializers.IntegerField()


class FeatureOut(serializers.Serializer[None]):
    """One input of a model, as a training spec's `features` declare it."""

    name = serializers.CharField()
    type = serializers.ChoiceField(choices=list(AXES))
    shape = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="Image: height, width, channels; video: frames before these; text: bytes, or tokens and bytes of a "
        "token; sensor: steps, channels; audio: samples; vector: values.",
    )
    sample_rate = serializers.IntegerField(allow_null=True, help_text="Samples a second; of audio only.")
    spectrogram = SpectrogramOut(help_text="The front end of audio.")


class TaskOut(serializers.Serializer[None]):
    """What is learned, as a training spec's `task` declares it."""

    type = serializers.ChoiceField(choices=["classification", "multi_label", "regression", "sequence"])
    label = serializers.CharField()  # type: ignore[assignment]  # a field's own `label` is the text of a form
    num_classes = serializers.IntegerField(allow_null=True)
    num_values = serializers.IntegerField(allow_null=True, help_text="How many numbers a regression gives.")


class FileOut(serializers.Serializer[None]):
    path = serializers.CharField()
    bytes = serializers.IntegerField()
    sha256 = serializers.CharField()


class SampleOut(serializers.Serializer[None]):
    path = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field's own `label` is the text of a form


class VersionOut(VersionSummaryOut):
    """`features`, `task` and `sha256` are empty until the version is ready. Files and samples: `…/files/<path>`."""

    options = serializers.DictField(help_text="Seed, split shares and bad_values, as asked for.")
    data_spec = serializers.CharField(help_text="As given; empty where the file was recognised.")
    features = FeatureOut(many=True)
    task = serializers.SerializerMethodField()
    classes = serializers.ListField(child=serializers.CharField(), help_text="Empty for a regression.")
    class_counts = serializers.DictField(help_text="Split → class → examples, or steps of sequences.")
    value_ranges = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="Lowest and highest of each value of a regression.",
    )
    warnings = serializers.ListField(child=serializers.CharField())
    files = FileOut(many=True)
    samples = SampleOut(many=True)

    class Meta(VersionSummaryOut.Meta):
        fields = [
            *VersionSummaryOut.Meta.fields,
            *("options", "data_spec", "features", "task", "classes", "class_counts", "value_ranges"),
            *("warnings", "files", "samples"),
        ]

    @extend_schema_field(TaskOut(allow_null=True))
    def get_task(self, version: DatasetVersion) -> dict[str, object] | None:
        return version.task or None
