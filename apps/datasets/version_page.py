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
SPLIT_NAMES = {
    "train": "Training",
    "validation": "Validation",
    "test": "Test",
    "unlabelled": "Without a label",
}
CLASSES_AT_FIRST = 12
# A table of more lines is of no use to a person, and a page of them is slow.
MAX_LISTED = 400

# What to do about an import that failed, by the engine's error codes; of faults, apps.jobs.advice tells.
ADVICE = {
    "not_a_zip": "Pack one folder for each class into a .zip file and upload that.",
    "no_images": "Put PNG or JPEG files into one folder for each class, zip the folders and upload again.",
    "no_recordings": "Put WAV files into one folder for each class, zip the folders and upload again.",
    "empty_class": "Put at least 3 examples into the folder, or delete it, then upload again.",
    "too_few_classes": "Add examples of a second class, then upload again.",
    "class_too_small": "Add different examples to the class, or leave it out, then upload again.",
    "too_few_examples": "Add different examples, then upload again.",
    "duplicate_path": "Pack the folders again: each file may be in the archive once.",
    "broken_image": "Open the files named, save them again as PNG or delete them, then upload again.",
    "broken_audio": "Open the files named, save them again as WAV (PCM) or delete them, then upload again.",
    "unsafe_path": "Pack the folders again with an ordinary zip program, from the folder that holds them.",
    "unsafe_file_type": "Replace links by the files that they point to, then pack and upload again.",
    "compression_bomb": "Pack the files as they are, not as other archives or raw data.",
    "archive_too_large": "Upload fewer or smaller examples, or split them over several datasets.",
    "source_too_large": "Upload fewer or smaller examples, or split them over several datasets.",
    "dataset_too_large": "Upload fewer or smaller examples, or split them over several datasets.",
    "too_many_files": "Upload fewer files, or split them over several datasets.",
    "image_outside_class": "Move the image into the folder of its class, then upload again.",
    "recording_outside_class": "Move the recording into the folder of its class, then upload again.",
    "video_outside_class": "Move the frames into a folder in the folder of their class, then upload again.",
    "unexpected_folder": "Keep the files directly in the folder of their class, then upload again.",
    "encrypted_archive": "Pack the folders again without a password.",
    "spec_needed": "Upload the file again and say in the data spec which columns are features, and which is the label.",
    "unfit_source": "Upload again with a data spec that declares what the file holds.",
    "missing_column": "Correct the column names in the data spec or in the table's header, then upload again.",
    "bad_values": "Fill the gaps, or choose to leave such rows out, then upload again.",
    "unknown_class": "Correct the labels, or the class list of the data spec, then upload again.",
    "no_labels": "Name the column of the label in the data spec, or fill it, then upload again.",
    "several_tables": "Pack one table, or one for each split: train.csv, validation.csv, test.csv.",
    "time_limit": "Upload fewer or smaller examples.",
    "out_of_memory": "Upload smaller examples.",
    "quota_exceeded": "Free some space, then upload again.",
    "cancelled": "Upload the file again when you want it imported.",
}


def advice_on(job: Job) -> str:
    return ADVICE.get(job.error_code) or job_advice(job) or "Mend what is named above, then upload the file again."


@dataclass(frozen=True)
class Balance:
    """Examples of each class in each split: `rows` for the table, `chart` for static/js/dataset-version.js.

    `totals` is None where classes do not add up to examples; `left_out` are the classes beyond those listed.
    """

    rows: list[tuple[str, list[int], int]]
    totals: list[int] | None
    chart: dict[str, Any]
    left_out: int


def balance(version: DatasetVersion) -> Balance | None:
    """None without classes, as in a regression."""
    if not version.classes:
        return None
    counts = {split: version.class_counts.get(split, {}) for split in SPLITS}
    rows = []
    listed = version.classes[:MAX_LISTED]
    for name in listed:
        numbers = [int(counts[split].get(name, 0)) for split in SPLITS]
        rows.append((name, numbers, sum(numbers)))
    series = {split: [numbers[index] for _, numbers, _ in rows] for index, split in enumerate(SPLITS)}
    totals = None
    if version.task.get("type") == "classification":
        totals = [sum(counts[split].values()) for split in SPLITS]
        totals.append(sum(totals))
    return Balance(rows, totals, {"classes": listed, "series": series}, len(version.classes) - len(listed))


def splits_of(version: DatasetVersion) -> list[tuple[str, int]]:
    """Each split in words with its number of examples."""
    return [(name, version.splits[split]) for split, name in SPLIT_NAMES.items() if split in version.splits]


def ranges_of(version: DatasetVersion) -> list[tuple[str, str, str]]:
    """Each value of a regression: its name, its lowest and its highest number."""
    name = version.task.get("label", "")
    is_one = len(version.value_ranges) == 1
    return [
        (name if is_one else f"{name} {index}", f"{low:,.6g}", f"{high:,.6g}")
        for index, (low, high) in enumerate(version.value_ranges[:MAX_LISTED], start=1)
    ]


@dataclass(frozen=True)
class Sample:
    url: str
    label: str


@dataclass(frozen=True)
class SampleGroup:
    label: str
    examples: int
    samples: list[Sample]


def sample_groups(request: HttpRequest, version: DatasetVersion, *, every_class: bool) -> list[SampleGroup]:
    """A few pictures of each class, by signed links; of the first classes only, unless `every_class`."""
    paths: dict[str, list[str]] = defaultdict(list)
    for sample in version.samples:
        paths[sample["label"]].append(sample["path"])
    labels = version.classes[:MAX_LISTED] if every_class else version.classes[:CLASSES_AT_FIRST]
    return [
        SampleGroup(
            label=label,
            examples=sum(version.class_counts.get(split, {}).get(label, 0) for split in SPLITS),
            samples=[Sample(link_to(request, version, path), label) for path in paths[label]],
        )
        for label in labels
    ]


def samples_of(request: HttpRequest, version: DatasetVersion) -> list[Sample]:
    """The pictures of a version whose examples do not belong to one class each."""
    return [Sample(link_to(request, version, one["path"]), one["label"]) for one in version.samples]


def training_url(access: Access, version: DatasetVersion) -> str | None:
    """The form that starts training on this version; None while it can't be trained on."""
    if version.state != DatasetVersion.State.READY:
        return None
    try:
        page = reverse("run-create", args=[access.organization.slug, access.project.slug])
    except NoReverseMatch:
        return None
    return f"{page}?dataset_version={version.pk}"
