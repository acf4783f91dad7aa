"""What an import of the serving packages brings along: no TensorFlow, and no part that it does not need."""

import subprocess
import sys
import textwrap

import pytest

from tests.serving.processes import ROOT

pytestmark = pytest.mark.e2e


def _run(code: str) -> str:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout.strip()


@pytest.mark.parametrize("module", ["charseq_client", "serving.server.model_server", "serving.launch"])
def test_nothing_here_imports_tensorflow(module: str) -> None:
    printed = _run(f"""
        import sys
        import {module}
        print([name for name in sys.modules if name.split(".")[0] in ("tensorflow", "pipeline", "components", "tfx")])
    """)

    assert printed == "[]"


def test_the_contract_imports_no_other_part_of_serving() -> None:
    printed = _run("""
        import importlib, pkgutil, sys
        import serving.contract
        for module in pkgutil.iter_modules(serving.contract.__path__, "serving.contract."):
            importlib.import_module(module.name)
        print([name for name in sys.modules if name.startswith("serving.") and not name.startswith("serving.contract")])
    """)

    assert printed == "[]"


@pytest.mark.parametrize("module", ["charseq_client", "charseq_client.text", "serving.rollout", "serving.launch"])
def test_who_calls_a_server_imports_none(module: str) -> None:
    printed = _run(f"""
        import sys
        import {module}
        print([name for name in sys.modules if name.startswith("serving.server")])
    """)

    assert printed == "[]"


def test_a_server_imports_what_speaks_http_only_when_it_serves_rest() -> None:
    printed = _run("""
        import sys
        import serving.server.model_server
        print([name for name in sys.modules if name.split(".")[0] == "aiohttp"])
    """)

    assert printed == "[]"
