"""Files that tools keep pins in: requirements, ``pyproject.toml``, lock files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

from agentrail_runtime import pin, pin_file, poetry
from agentrail_runtime.operation.pins import _load_toml
from agentrail_runtime.pin_file import Reader
from tests.fuzz.claim import is_told
from tests.fuzz.mutation import BOM, text_maker
from tests.fuzz.target import Target

READER: Final = Reader(
    {
        "implementation_name": "cpython",
        "implementation_version": "3.12.1",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "6",
        "platform_system": "Linux",
        "platform_version": "1",
        "python_full_version": "3.12.1",
        "python_version": "3.12",
        "sys_platform": "linux",
    },
    _load_toml,
)
REQUIREMENTS: Final = (
    b"# pins\nagentrail-runtime==1.0.0 --hash=sha256:ab \\\n    --hash=sha256:cd\nother>=1\n",
    BOM + b'AgentRail.Runtime [signing] ~= 1.2 ; python_version < "4" # c\r\n-e .\r\n',
    b"agentrail-runtime @ https://u:p@example.org/agentrail_runtime-1.0.0-py3-none-any.whl#sha256=ab\n",
    b"./agentrail_runtime-1.2.tar.gz ; extra == 'x'\nagentrail_runtime\n",
    "agentrail-runtime==1.0\n".encode("utf-16"),
)
TOML: Final = (
    b'[project]\nname = "x"\ndependencies = ["agentrail-runtime==1.0.0", "b"]\n'
    b"[project.optional-dependencies]\na = [\"agentrail_runtime>=1; sys_platform == 'win32'\"]\n"
    b'[dependency-groups]\nb = [{include-group = "a"}, "agentrail-runtime"]\n',
    b'[tool.poetry.dependencies]\nagentrail-runtime = "^1.2 || ~2.0"\n'
    b'"agentrail.runtime" = {version = "*", python = ">3", '
    b"markers = \"os_name == 'nt'\"}\n[tool.poetry.group.x.dependencies.agentrail_runtime]\n"
    b'url = "a/agentrail_runtime-1.tar.gz"\n',
    b"[tool.uv]\ndev-dependencies = ['agentrail-runtime<2,!=1.5']\n",
)
LOCKS: Final = (
    b'version = 1\n\n[[package]]\nname = "agentrail-runtime"\nversion = "1.0.0"\n'
    b'source = { registry = "x" }\n'
    b'dependencies = [{ name = "click" }]\nresolution-markers = ["os_name == \'nt\'"]\n\n'
    b'[[package]]\nname = "b"\n',
    b"[[packages]]\nname = 'agentrail_runtime'\nversion = '1.2'\n"
    b"marker = \"python_version > '3'\"\n[packages.archive]\n",
    b'[[package]]\nname = "agentrail-runtime"\nversion = "1"\nmarkers = {main = "x"}\n'
    b'[package.source]\ntype = "directory"\n',
)
TOKENS: Final = (
    *(b"agentrail-runtime", b"agentrail_runtime==1.0", b"==1.0.*", b"~=1.2", b"===weird", b">=1,<2"),
    *(b"[signing]",),
    *(b"@ file:///x/agentrail_runtime-1.0.tar.gz", b"; os_name == 'nt'", b" ; extra == 'x'"),
    *(b"-r other.txt\n", b"\\\n"),
    *(b"[[package]]\n", b"[project]\n", b"dependencies = [", b'name = "agentrail-runtime"\n'),
    *(b"a.b.c.d = 1\n", b"=", b"."),
    *(b"'''", b'"""', b"{", b"}", b"[", b"]", b"^1.2", b"~1", b" || ", b"*", b"!", b"1!2.0"),
    *(b"1" * 400, b"\\u0061"),
    *(b"1979-05-27T07:32:00Z", b"0x1f", b"inf", b"[tool.poetry.dependencies]\n", b"\n", b" (", b")"),
    *(b" and ", b" or "),
)


def check(path: str, data: bytes) -> bool:
    """Claim that whatever a file holds, its pins are told, on its lines, and can be judged."""
    found = pin_file.find(path, data, READER)
    lines = data.count(b"\n") + data.count(b"\r") + 1
    assert len(found) <= 101
    for state in found:
        one = state.pin
        assert one.path == path
        assert 1 <= one.line <= lines
        for told in (one.requirement, state.problem or "", state.hint or ""):
            is_told(ValueError(told))
        assert len(one.requirement) <= 201
        assert "://u:p@" not in one.requirement
        problem = pin.judge(one, installed="1.0.0", receipt="1.0.0")
        assert problem is None or one.specifier
        pin.admits(one.specifier, "1.0.0.dev1")
        pin.remedy(one, path, known=[path])
    # What is read at all is what mentions the name: no pin may be missed for that.
    is_read = any(state.problem is None for state in found)
    assert not is_read or b"\\" in data or pin_file.mentions(data)
    return is_read


def check_constraint(data: bytes) -> bool:
    """Claim that a constraint as Poetry's is none, or comes to specifiers that can be asked."""
    try:
        found = poetry.alternatives(data.decode("utf-8", "replace"))
    except ValueError:
        return False
    for version in ("0.9", "1.0.0", "1.2.3rc1", "2!1"):
        pin.admits(pin.ALTERNATIVES.join(found), version)
    return True


CONSTRAINTS: Final = (
    b"^1.2.3",
    b"~1.2 || 2.*",
    b">=1,<2 !=1.5",
    b"*",
    b"",
    b"^0.0.0",
    b"1!2.0 | ==3",
    b"~ 1",
)


def _maker(seeds: tuple[bytes, ...]) -> Callable[[Random], bytes]:
    return text_maker(seeds, TOKENS)


TARGETS: Final = (
    Target(
        "pin-requirements",
        partial(check, "requirements.txt"),
        _maker(REQUIREMENTS),
        TOKENS,
        lambda n: b"other==1\n" * n + REQUIREMENTS[0],
        examples=120,
    ),
    Target(
        "pin-toml",
        partial(check, "pyproject.toml"),
        _maker(TOML),
        TOKENS,
        lambda n: TOML[0] + b"[x]\na = [" + b'"b",\n' * n + b"]\n",
        examples=100,
    ),
    Target(
        "pin-lock",
        partial(check, "uv.lock"),
        _maker(LOCKS),
        TOKENS,
        lambda n: b'[[package]]\nname = "b"\nversion = "1"\n\n' * n + LOCKS[0],
        examples=100,
    ),
    Target("pin-constraint", check_constraint, _maker(CONSTRAINTS), TOKENS),
)
