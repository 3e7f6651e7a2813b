"""The gateway is a light process."""

import subprocess
import sys

HEAVY = ("torch", "whisperx", "ctranslate2", "gliner", "transformers", "spacy", "numpy", "av")


def test_the_gateway_imports_no_models() -> None:
    """Nor what decodes sound, before there is sound."""
    code = f"import sys, services.gateway.app; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
