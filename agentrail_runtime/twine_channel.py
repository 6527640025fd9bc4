"""A channel that is any index which takes uploads as twine makes them.

See https://docs.pypi.org/api/upload/ and https://twine.readthedocs.io/. There is no way to take a file
out of such an index that all servers know: that is done by hand.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from agentrail_runtime import credential
from agentrail_runtime.channel import Channel, ChannelError, Distribution
from agentrail_runtime.release.policy import ChannelPolicy
from agentrail_runtime.release.simple_index import PROJECT, is_same_version
from agentrail_runtime.remote_index import SECONDS, RemoteChannel, RemoteIndex, sign_in

UPLOAD_SECONDS: Final = 600.0
"""How long twine may take for all files."""

_LOOKS: Final = 5
_PAUSE: Final = 3.0


class TwineChannel(RemoteChannel):
    """An index that twine uploads to; nothing is asked until there is need.

    Args:
        policy: `location` is the URL for uploads, `index_url` the base URL of the simple API.
        seconds: how long one question may take.
        upload_seconds: how long an upload may take.
        pause: waits for a number of seconds; an index may list a file only after a while.

    Raises:
        ChannelError: the policy lacks one of the URLs.
    """

    def __init__(
        self,
        policy: ChannelPolicy,
        *,
        seconds: float = SECONDS,
        upload_seconds: float = UPLOAD_SECONDS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        for field, url in (("location", policy.location), ("index_url", policy.index_url)):
            if url is None or "://" not in url:
                raise ChannelError(
                    f"channels.{policy.name}.{field}: expected a URL, got {url or 'none'}",
                    hint="name in distribution.yaml where twine uploads to, and the index itself",
                )
        index = RemoteIndex(policy.index_url or "", seconds=seconds)
        super().__init__(policy.name, policy.location or "", index)
        self._upload_seconds = upload_seconds
        self._pause = pause

    @property
    def by_hand(self) -> str:
        """What to do where a version is to be withdrawn, in words."""
        return (
            f"{self.location}: no version can be taken out from here: yank or delete it on the server "
            f"by hand (PyPI: Your projects, {PROJECT}, Manage, Releases, Options)"
        )

    def add(self, distributions: Sequence[Distribution], origin: Channel) -> None:
        """Upload files with twine, then wait until the index lists them.

        Files that are there already, with the same bytes, are left alone.

        Raises:
            ChannelError: a file of the same name but other bytes is there, twine is not installed, the
                server refused, or the index does not list the files after a while.
        """
        missing = self._index.missing(distributions)
        if not missing:
            return
        import tempfile

        with tempfile.TemporaryDirectory(prefix="agentrail-") as directory:
            paths = []
            for row in missing:
                path = os.path.join(directory, row.filename)
                with open(path, "xb") as file:
                    file.write(origin.fetch(row))
                paths.append(path)
            self._upload(paths)
        self._await(distributions)

    def withdraw(self, version: str, reason: str) -> bool:
        """Tell whether somebody took a version out; from here it cannot be done, see `by_hand`.

        Nothing is changed. True: the index does not list the version (any more). False: it does, be it
        yanked or not, so whoever pinned it still gets it.

        Raises:
            ChannelError: the index cannot be read.
        """
        del reason
        return not any(is_same_version(row.version, version) for row in self.distributions())

    def _await(self, distributions: Sequence[Distribution]) -> None:
        for _ in range(_LOOKS):
            left = self._index.missing(distributions)
            if not left:
                return
            self._pause(_PAUSE)
        raise ChannelError(
            f"{self._index.url}: {left[0].filename}: uploaded, but not listed yet",
            hint="look again in a while: agentrail release status",
        )

    def _upload(self, paths: Sequence[str]) -> None:
        """Run twine, with the password in its environment, where no list of processes shows it.

        Raises:
            ChannelError: it is not installed, or ended in an error.
        """
        import subprocess

        found = credential.find(self.location)
        words = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar"]
        words += ["--repository-url", self.location, "--", *paths]
        environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "1000", "PYTHONUTF8": "1"}
        if found.credential is not None:
            user, secret = found.credential.reveal()
            environment.update(TWINE_USERNAME=user, TWINE_PASSWORD=secret)
        try:
            done = subprocess.run(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=self._upload_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            told = f"twine did not end in {self._upload_seconds:.0f} s"
            raise ChannelError(f"{self.location}: {told}") from None
        if done.returncode:
            raise self._failure(done.stdout.decode("utf-8", "replace"), found)

    def _failure(self, text: str, found: credential.Found) -> ChannelError:
        if "No module named twine" in text:
            hint = "pip install 'agentrail-runtime[publishing]'"
            return ChannelError("twine: not installed", hint=hint)
        lines = [line for row in text.splitlines() if (line := credential.printable(row))]
        last = lines[-1] if lines else "no reason is given"
        told = next((line for line in lines if line.startswith("ERROR")), last)
        if found.credential is not None:
            told = found.credential.scrubbed(told)
        return ChannelError(f"{self.location}: twine: {told}", hint=sign_in(found))
