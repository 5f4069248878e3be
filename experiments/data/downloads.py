"""Published files: fetched through TFDS, and checked against its checksums."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import checksums, download_manager, util

from experiments.errors import DataError

_PROBE_SECONDS = 3


def download(
    addresses: Mapping[str, str],
    infos: dict[str, checksums.UrlInfo],
    folder: Path,
) -> Path:
    """Fetches files into a folder, and returns it.

    Args:
      addresses: where each file is published, by the name it is to have.
      infos: size and checksum by address.
      folder: an empty folder.

    Raises:
      DataError: the first of them is out of reach, or one is not what it should be.
    """
    first, *_ = addresses.values()
    site = first.rpartition("/")[0] + "/"
    _probe(first, site)
    manager = tfds.download.DownloadManager(download_dir=folder, url_infos=infos)
    try:
        for name, url in addresses.items():
            os.replace(manager.download(url), folder / name)
    except (
        requests.RequestException,
        util.DownloadError,
        download_manager.NonMatchingChecksumError,
    ) as error:
        what = type(error).__name__
        raise DataError(f"the download from {site} failed: {what}") from error
    return folder


def check(path: Path, given: Path, published: checksums.UrlInfo, homepage: str) -> None:
    """Refuses a file that is not the published one.

    Args:
      path: the file.
      given: what the user knows it as.
      published: size and checksum of the published file.
      homepage: where it can be had.

    Raises:
      DataError: size or checksum differ.
    """
    found = checksums.compute_url_info(path)
    if found != published:
        raise DataError(
            f"{given} is not the published file, or is damaged: it has "
            f"{int(found.size)} bytes and SHA-256 {found.checksum[:12]}…, not "
            f"{int(published.size)} bytes and {published.checksum[:12]}…; get it again "
            f"from {homepage}."
        )


def _probe(url: str, site: str) -> None:
    # TFDS retries for minutes where there is no internet, and a name server that does
    # not answer holds up even a request with a time-out: hence the thread.
    failures: list[str] = [f"no answer in {_PROBE_SECONDS} s"]

    def ask() -> None:
        try:
            requests.head(url, timeout=_PROBE_SECONDS).raise_for_status()
        except requests.RequestException as error:
            failures[0] = type(error).__name__
        else:
            failures.clear()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PROBE_SECONDS)
    if failures:
        raise DataError(f"{site} is out of reach: {failures[0]}")
