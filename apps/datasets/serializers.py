"""What the team API takes in and gives out about uploads and datasets."""

from __future__ import annotations

from typing import TypedDict

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.datasets.models import Dataset, DatasetVersion, Upload
from apps.datasets.services import DEFAULT_SEED, DEFAULT_TEST, DEFAULT_VALIDATION
from apps.errors import Detail

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
            *("id", "name", "slug", "kind", "created_at"),
            *("version_count", "newest_number", "newest_state", "newest_examples"),
        ]


class VersionIn(serializers.Serializer[None]):
    upload = serializers.UUIDField(help_text="Of a completed upload with the purpose `dataset`.")
    seed = serializers.IntegerField(default=DEFAULT_SEED, help_text="Decides which example goes into which split.")
    validation = serializers.FloatField(default=DEFAULT_VALIDATION, help_text="Share of the examples, 0.01 … 0.5.")
    test = serializers.FloatField(default=DEFAULT_TEST, help_text="Share of the examples, 0.01 … 0.5.")


class ErrorOut(serializers.Serializer[None]):
    """Why the import failed; `details` tie reasons to files of the archive."""

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


class FeatureOut(serializers.Serializer[None]):
    name = serializers.CharField()
    type = serializers.CharField()
    shape = serializers.ListField(child=serializers.IntegerField(), help_text="Height, width, channels.")


class FileOut(serializers.Serializer[None]):
    path = serializers.CharField()
    bytes = serializers.IntegerField()
    sha256 = serializers.CharField()


class SampleOut(serializers.Serializer[None]):
    path = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field's own `label` is the text of a form


class VersionOut(VersionSummaryOut):
    """`feature` and `sha256` are empty until the version is ready. Files and samples: `…/files/<path>`."""

    options = serializers.DictField(help_text="Seed and split shares, as asked for.")
    feature = serializers.SerializerMethodField()
    classes = serializers.ListField(child=serializers.CharField())
    class_counts = serializers.DictField(help_text="Split → class → examples.")
    warnings = serializers.ListField(child=serializers.CharField())
    files = FileOut(many=True)
    samples = SampleOut(many=True)

    class Meta(VersionSummaryOut.Meta):
        fields = [
            *VersionSummaryOut.Meta.fields,
            *("options", "feature", "classes", "class_counts", "warnings", "files", "samples"),
        ]

    @extend_schema_field(FeatureOut(allow_null=True))
    def get_feature(self, version: DatasetVersion) -> dict[str, object] | None:
        return version.feature or None
