"""What the package index shows and pip obeys: complete, valid, and the same in both distributions."""

from __future__ import annotations

import sys
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest

from agentrail_runtime import __version__
from tests.packaging.support import ROOT, Distributions, run

HEADERS = {
    "Name": ["agentrail-runtime"],
    "Version": [__version__],
    "Summary": [
        "Installs the AgentRail framework for coding agents into a repository: "
        "all or nothing, nothing of yours lost, exact rollback."
    ],
    "Author": ["The AgentRail developers"],
    "License-Expression": ["MIT"],
    "License-File": ["LICENSE"],
    "Keywords": ["agents,coding-agents,installer,templates,AGENTS.md"],
    "Description-Content-Type": ["text/markdown"],
    "Requires-Python": [">=3.10"],
    "Provides-Extra": ["bench", "events", "publishing", "signing", "test", "dev"],
    "Project-URL": [
        "Homepage, https://pypi.org/project/agentrail-runtime/",
        "Release notes, https://pypi.org/project/agentrail-runtime/#history",
        "Download, https://pypi.org/project/agentrail-runtime/#files",
    ],
    "Classifier": [
        "Development Status :: 5 - Production/Stable",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Natural Language :: English",
        "Natural Language :: Japanese",
        "Operating System :: MacOS",
        "Operating System :: Microsoft :: Windows",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Software Development :: Quality Assurance",
        "Topic :: System :: Installation/Setup",
        "Typing :: Typed",
    ],
}
REQUIRED = [
    "click>=8.1.7",
    'filelock>=3.30; sys_platform == "win32"',
    'importlib-resources>=6.4; python_version < "3.12"',
    "packaging>=22",
    "PyYAML>=6",
    'tomli>=2; python_version < "3.11"',
]


def validate(pyproject: Path) -> tuple[int, str]:
    """Hold a pyproject.toml against the specifications; return exit code and complaints."""
    words = ("-m", "validate_pyproject", pyproject)
    env = {"VALIDATE_PYPROJECT_NO_NETWORK": "1"}
    done = run(sys.executable, *words, cwd=pyproject.parent, env=env)
    return done.code, done.out + done.err


def test_the_project_is_described_as_the_specifications_say() -> None:
    code, text = validate(ROOT / "pyproject.toml")
    assert code == 0, text


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("Python :: 3.14", "Python :: 3.99", "trove-classifier"),
        ('license = "MIT"', 'license = "My own"', "project.license"),
        ('backend-path = [".backend"]', 'backend-path = ".backend"', "build-system.backend-path"),
        ("include-package-data = false", 'include-package-data = "no"', "include-package-data"),
    ],
)
def test_a_wrong_description_would_be_found(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "pyproject.toml").write_text(text.replace(old, new), encoding="utf-8")
    code, said = validate(tmp_path / "pyproject.toml")
    assert (code, complaint in said) == (1, True), said


@pytest.fixture(scope="module")
def metadata(distributions: Distributions) -> Message:
    """The wheel's METADATA."""
    name = f"agentrail_runtime-{__version__}.dist-info/METADATA"
    return BytesParser().parsebytes(distributions.wheel_files()[name])


@pytest.mark.slow
@pytest.mark.parametrize("header", HEADERS)
def test_the_package_index_is_told(metadata: Message, header: str) -> None:
    assert metadata.get_all(header) == HEADERS[header]


@pytest.mark.slow
def test_nothing_is_installed_along_that_is_not_needed(metadata: Message) -> None:
    rows = metadata.get_all("Requires-Dist") or []
    assert [row for row in rows if "extra ==" not in row] == REQUIRED


@pytest.mark.slow
def test_the_page_of_the_package_is_the_readme(distributions: Distributions, metadata: Message) -> None:
    readme = (distributions.tree / "README.md").read_text(encoding="utf-8")
    payload = metadata.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().strip() == readme.strip()


@pytest.mark.slow
def test_both_distributions_say_the_same(distributions: Distributions) -> None:
    wheel = distributions.wheel_files()[f"agentrail_runtime-{__version__}.dist-info/METADATA"]
    assert distributions.sdist_file("PKG-INFO") == wheel


@pytest.mark.slow
def test_the_package_index_would_take_both_distributions(distributions: Distributions) -> None:
    words = ("-m", "twine", "check", "--strict", distributions.wheel, distributions.sdist)
    done = run(sys.executable, *words, cwd=distributions.tree)
    assert (done.code, done.out.count("PASSED")) == (0, 2), done.out + done.err


@pytest.mark.slow
def test_the_wheel_holds_all_of_the_package_dotfiles_too(distributions: Distributions) -> None:
    what = ("--select", "W101,W102", "--package-omit", "*.pyc,__pycache__")
    words = ("-m", "check_wheel_contents", *what, "--package", "agentrail_runtime", distributions.wheel)
    done = run(sys.executable, *words, cwd=distributions.tree)
    assert (done.code, done.out.endswith(": OK\n")) == (0, True), done.out + done.err
