"""What the benchmark runs on."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from pathlib import Path


def machine(place: Path) -> dict[str, str]:
    """Return what there is to know of the machine, and of the file system below `place`."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "Processor": f"{processor()}, {cores()} cores",
        "Memory": f"{memory / 2**30:.0f} GiB",
        "File system": file_system(place),
        "Operating system": operating_system(),
        "Kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Load before the run": f"{os.getloadavg()[0]:.2f}",
    }


def cores() -> int:
    """Return how many cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """Return the processor's name."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    with contextlib.suppress(OSError):
        words = ["sysctl", "-n", "machdep.cpu.brand_string"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
    return platform.processor() or platform.machine()


def file_system(place: Path) -> str:
    """Return the type of the file system that a directory is on."""
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return "not known"
    found = ("", "not known")
    for mount in mounts:
        _, where, kind, *_ = mount.split()
        where = where.replace("\\040", " ")
        if place.resolve().is_relative_to(where) and len(where) >= len(found[0]):
            found = (where, kind)
    return found[1]


def operating_system() -> str:
    """Return the name and version of the operating system."""
    with contextlib.suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return f"{platform.system()} {platform.mac_ver()[0] or platform.release()}"
