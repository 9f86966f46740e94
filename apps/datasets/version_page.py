"""What the page of a dataset version shows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from apps.datasets.files import link_to
from apps.datasets.models import DatasetVersion
from apps.jobs.advice import advice_on as job_advice
from apps.jobs.models import Job
from apps.projects.access import Access

SPLITS = ("train", "validation", "test")
CLASSES_AT_FIRST = 12

# What to do about an import that failed, by the engine's error codes; of faults, apps.jobs.advice tells.
ADVICE = {
    "not_a_zip": "Pack one folder for each class into a .zip file and upload that.",
    "no_images": "Put PNG or JPEG files into one folder for each class, zip the folders and upload again.",
    "empty_class": "Put at least 3 images into the folder, or delete it, then upload again.",
    "too_few_classes": "Add a folder with images of a second class, then upload again.",
    "class_too_small": "Add different images to the class, or leave it out, then upload again.",
    "duplicate_path": "Pack the folders again: each file may be in the archive once.",
    "broken_image": "Open the files named, save them again as PNG or delete them, then upload again.",
    "unsafe_path": "Pack the folders again with an ordinary zip program, from the folder that holds them.",
    "unsafe_file_type": "Replace links by the files that they point to, then pack and upload again.",
    "compression_bomb": "Pack the images as PNG or JPEG files, not as other archives or raw data.",
    "archive_too_large": "Upload fewer or smaller images, or split them over several datasets.",
    "dataset_too_large": "Upload fewer or smaller images, or split them over several datasets.",
    "too_many_files": "Upload fewer images, or split them over several datasets.",
    "image_outside_class": "Move the image into the folder of its class, then upload again.",
    "unexpected_folder": "Keep the images directly in the folder of their class, then upload again.",
    "encrypted_archive": "Pack the folders again without a password.",
    "time_limit": "Upload fewer or smaller images, or split them over several datasets.",
    "out_of_memory": "Upload smaller images.",
    "quota_exceeded": "Free some space, then upload again.",
    "cancelled": "Upload the archive again when you want it imported.",
}


def advice_on(job: Job) -> str:
    return ADVICE.get(job.error_code) or job_advice(job) or "Mend what is named above, then upload the archive again."


@dataclass(frozen=True)
class Balance:
    """Examples of each class in each split: `rows` for the table, `chart` for static/js/dataset-version.js."""

    rows: list[tuple[str, list[int], int]]
    totals: list[int]
    chart: dict[str, Any]


def balance(version: DatasetVersion) -> Balance:
    counts = {split: version.class_counts.get(split, {}) for split in SPLITS}
    rows = []
    for name in version.classes:
        numbers = [int(counts[split].get(name, 0)) for split in SPLITS]
        rows.append((name, numbers, sum(numbers)))
    series = {split: [numbers[index] for _, numbers, _ in rows] for index, split in enumerate(SPLITS)}
    totals = [sum(series[split]) for split in SPLITS]
    return Balance(rows, [*totals, sum(totals)], {"classes": version.classes, "series": series})


@dataclass(frozen=True)
class SampleGroup:
    label: str
    examples: int
    urls: list[str]


def sample_groups(request: HttpRequest, version: DatasetVersion, *, every_class: bool) -> list[SampleGroup]:
    """A few images of each class, by signed links; of the first classes only, unless `every_class`."""
    paths: dict[str, list[str]] = defaultdict(list)
    for sample in version.samples:
        paths[sample["label"]].append(sample["path"])
    labels = version.classes if every_class else version.classes[:CLASSES_AT_FIRST]
    return [
        SampleGroup(
            label=label,
            examples=sum(version.class_counts.get(split, {}).get(label, 0) for split in SPLITS),
            urls=[link_to(request, version, path) for path in paths[label]],
        )
        for label in labels
    ]


def training_url(access: Access, version: DatasetVersion) -> str | None:
    """The form that starts training on this version; None while it can't be trained on."""
    if version.state != DatasetVersion.State.READY:
        return None
    try:
        page = reverse("run-create", args=[access.organization.slug, access.project.slug])
    except NoReverseMatch:
        return None
    return f"{page}?dataset_version={version.pk}"
