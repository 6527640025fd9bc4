"""One requirement on the runtime: what it says, whether a version keeps to it, what to do if not."""

from __future__ import annotations

import pytest

from agentrail_runtime import pin as pin_
from agentrail_runtime.pin import Pin, PinError, PinState

LINUX = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_system": "Linux",
    "python_full_version": "3.11.7",
    "python_version": "3.11",
    "sys_platform": "linux",
}
WHEEL = "agentrail_runtime-1.0.0-py3-none-any.whl"


def read(text: str) -> Pin | None:
    return pin_.from_requirement(text, path="a.txt", line=1, environment=LINUX)


def read_file(text: str) -> Pin | None:
    return pin_.from_file(text, path="a.txt", line=1, environment=LINUX)


def pin(specifier: str = "==1.0.0", path: str = "requirements.txt", *, applies: bool = True) -> Pin:
    return Pin(path, 3, f"agentrail-runtime{specifier}", specifier, None, applies)


# --- requirements -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "specifier", "version"),
    [
        ("agentrail-runtime", "", None),
        ("agentrail-runtime==1.0.0", "==1.0.0", "1.0.0"),
        ("AgentRail_Runtime == 1.0.0", "==1.0.0", "1.0.0"),
        ("agentrail.-_runtime==1.0.0", "==1.0.0", "1.0.0"),
        ("agentrail-runtime[signing]==1.0.0", "==1.0.0", "1.0.0"),
        ("agentrail-runtime (==1.0.0)", "==1.0.0", "1.0.0"),
        ("agentrail-runtime===1.0.0", "===1.0.0", "1.0.0"),
        ("agentrail-runtime==1.0.0,>=0.9", "==1.0.0,>=0.9", "1.0.0"),
        ("agentrail-runtime==1.*", "==1.*", None),
        ("agentrail-runtime>=1.0,<2", "<2,>=1.0", None),
        ("agentrail-runtime~=1.0", "~=1.0", None),
        ("agentrail-runtime==1.0.0rc1", "==1.0.0rc1", "1.0.0rc1"),
        (f"agentrail-runtime @ https://example.com/{WHEEL}", "==1.0.0", "1.0.0"),
        (f"agentrail-runtime[signing]@ file:///wheels/{WHEEL}#sha256=ab", "==1.0.0", "1.0.0"),
        ("agentrail-runtime @ https://example.com/agentrail_runtime-1.0.0.tar.gz", "==1.0.0", "1.0.0"),
        ("agentrail-runtime @ git+https://example.com/a.git@v1.0.0", "", None),
    ],
)
def test_a_requirement_tells_the_versions_that_it_admits(
    text: str, specifier: str, version: str | None
) -> None:
    assert read(text) == Pin("a.txt", 1, text, specifier, version)


@pytest.mark.parametrize(
    "text",
    [
        "agentrail-runtime-extras==1.0.0",
        "agentrail-runtime.extras==1.0.0",
        "agentrail-runtime1==1.0.0",
        "agentrail==1.0.0",
        "agentrailruntime==1.0.0",
        "my-agentrail-runtime==1.0.0",
        "click==8.1.7",
        "agentrail-runtime is what we need",
        "",
    ],
)
def test_another_package_is_no_pin(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "agentrail-runtime=1.0.0",
        "agentrail-runtime 1.0.0",
        "agentrail-runtime==",
        "agentrail-runtime==banana",
        "agentrail-runtime[==1.0.0",
        "agentrail-runtime==1.0.0; python_version",
        "agentrail-runtime^1.0",
        "agentrail-runtime==1.0.0;" + "(" * 4_000,
        "agentrail-runtime==" + "1" * 5_000,
    ],
)
def test_a_requirement_that_no_tool_would_read_is_refused(text: str) -> None:
    with pytest.raises(PinError, match="expected a requirement"):
        read(text)


@pytest.mark.parametrize(
    ("marker", "applies"),
    [
        ("python_version >= '3.10'", True),
        ("python_version < '3.10'", False),
        ("sys_platform == 'win32'", False),
        ("extra == 'dev'", True),
        ("extra == 'dev' and python_version < '3.10'", False),
    ],
)
def test_a_marker_says_whether_a_requirement_applies(marker: str, applies: bool) -> None:
    found = read(f"agentrail-runtime==1.0.0; {marker}")
    assert found is not None
    assert found.applies is applies


@pytest.mark.parametrize(
    ("marker", "is_met"),
    [
        ("", True),
        ("'dev' in dependency_groups", True),
        ('"dev" in extras and python_version < "3.10"', False),
        ("'dev' == extra", True),
        ("'dev' not in extras", True),
        ("banana", True),
        ("python_full_version == 'banana'", False),
        ("(" * 4_000, True),
    ],
)
def test_a_marker_that_cannot_be_answered_rules_nothing_out(marker: str, is_met: bool) -> None:
    assert pin_.is_met(marker, LINUX) is is_met


# --- files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (f"./wheels/{WHEEL}", "1.0.0"),
        (f"C:\\wheels\\{WHEEL}", "1.0.0"),
        (f"https://example.com/{WHEEL}?a=b#sha256=ab", "1.0.0"),
        (f"wheels/{WHEEL}[signing]", "1.0.0"),
        (f"wheels/{WHEEL} ; python_version >= '3.10'", "1.0.0"),
        ("AgentRail_Runtime-1.0.0-7-py3-none-any.whl", "1.0.0"),
        ("agentrail_runtime-1.0.0%2Blocal-py3-none-any.whl", "1.0.0+local"),
        ("agentrail-runtime-1.0.0.zip", "1.0.0"),
    ],
)
def test_the_name_of_a_distribution_tells_its_version(text: str, version: str) -> None:
    assert read_file(text) == Pin("a.txt", 1, text, f"=={version}", version)


@pytest.mark.parametrize(
    "text",
    [
        "wheels/click-8.1.7-py3-none-any.whl",
        "agentrail_runtime-1.0.0.whl",
        "agentrail_runtime-1.banana-py3-none-any.whl",
        "git+https://example.com/agentrail-runtime.git",
        f"see {WHEEL}",
        "agentrail_runtime-1-" + ".".join("p" * 3_000) + "-none-any",
    ],
)
def test_a_name_that_tells_no_version_is_no_pin(text: str) -> None:
    assert read_file(text) is None


def test_a_distribution_for_another_platform_does_not_apply() -> None:
    found = read_file(f"wheels/{WHEEL} ; sys_platform == 'win32'")
    assert found is not None
    assert not found.applies


# --- what is shown ----------------------------------------------------------------------------------


def test_a_password_in_a_url_is_not_shown() -> None:
    found = read(f"agentrail-runtime @ https://me:secret@example.com/{WHEEL}")
    assert found is not None
    assert found.requirement == f"agentrail-runtime @ https://****@example.com/{WHEEL}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n b\t c", "a b c"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("日本\udcff", "日本\\udcff"),
        ("a" * 300, "a" * 200 + "…"),
    ],
)
def test_what_is_shown_is_one_line_that_can_be_printed(text: str, line: str) -> None:
    assert pin_.shown(text) == line


# --- agreement --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("specifier", "version", "is_admitted"),
    [
        ("", "banana", True),
        ("==1.0.0", "1.0.0", True),
        ("==1.0", "1.0.0", True),
        ("==1.0.0", "1.1.0", False),
        (">=1.0", "1.1.0rc1", True),
        (">=1.0", "2.0.dev1", True),
        ("<2", "2.0rc1", False),
        ("==1.0.0", "1.0.0+local", True),
        ("==1.0.0", "banana", False),
        ("===banana", "banana", True),
        ("===banana", "1.0.0", False),
        ("===not a version", "not a version", True),
        (">=1,<2 || >=3", "3.5", True),
        (">=1,<2 || >=3", "2.5", False),
        (">=1 || ", "0.5", True),
    ],
)
def test_a_version_is_admitted_as_pep_440_says(specifier: str, version: str, is_admitted: bool) -> None:
    assert pin_.admits(specifier, version) is is_admitted


@pytest.mark.parametrize(
    ("installed", "receipt", "problem"),
    [
        ("1.0.0", "1.0.0", None),
        ("1.1.0", "1.1.0", "installed package 1.1.0, receipt 1.1.0"),
        ("1.1.0", "1.0.0", "installed package 1.1.0"),
        ("1.0.0", "1.1.0", "receipt 1.1.0"),
        ("1.0.0", "ban\nana", "receipt ban ana"),
    ],
)
def test_a_pin_disagrees_with_whatever_it_does_not_admit(
    installed: str, receipt: str, problem: str | None
) -> None:
    assert pin_.judge(pin(), installed=installed, receipt=receipt) == problem


def test_a_pin_that_does_not_apply_disagrees_with_nothing() -> None:
    assert pin_.judge(pin(applies=False), installed="1.1.0", receipt="1.1.0") is None


@pytest.mark.parametrize(("problem", "agrees"), [(None, True), ("receipt 1.1.0", False)])
def test_a_pin_agrees_where_there_is_no_problem(problem: str | None, agrees: bool) -> None:
    assert PinState(pin(), problem).agrees is agrees


def test_a_locked_version_that_is_none_is_compared_as_text() -> None:
    found = pin_.from_version("banana", path="uv.lock", line=4, applies=True)
    assert (found.specifier, found.version) == ("===banana", "banana")


@pytest.mark.parametrize(
    ("specifier", "version"),
    [("==2.0,==1.0", "1.0"), ("==1.0 || ==2.0", None), ("", None)],
)
def test_the_exact_version_is_the_same_in_every_run(specifier: str, version: str | None) -> None:
    assert pin_.exact(specifier) == version


# --- what to do -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "place", "command"),
    [
        ("requirements-dev.txt", "requirements-dev.txt", "pip install -r requirements-dev.txt"),
        (
            "a/requirements.txt",
            "/my repo/a/requirements.txt",
            "pip install -r '/my repo/a/requirements.txt'",
        ),
        ("constraints.txt", "constraints.txt", "pip install -c constraints.txt agentrail-runtime"),
        ("requirements-dev.in", "requirements-dev.in", "pip-compile requirements-dev.in"),
        ("uv.lock", "uv.lock", "uv sync"),
        ("a/uv.lock", "repo/a/uv.lock", "uv sync --directory repo/a"),
        ("poetry.lock", "poetry.lock", "poetry install"),
        ("pylock.toml", "pylock.toml", "pip install 'agentrail-runtime>=1,<2'"),
        ("pyproject.toml", "pyproject.toml", "uv sync"),
        ("a/pyproject.toml", "a/pyproject.toml", "poetry install --directory a"),
        ("b/pyproject.toml", "b/pyproject.toml", "pip install 'agentrail-runtime>=1,<2'"),
    ],
)
def test_the_command_for_a_pin_is_that_of_the_tool_that_its_file_belongs_to(
    path: str, place: str, command: str
) -> None:
    known = ["a/poetry.lock", "a/pyproject.toml", "b/pyproject.toml", "pyproject.toml", "uv.lock"]
    assert pin_.remedy(pin(">=1,<2 || >=3", path), place, known=known) == command
